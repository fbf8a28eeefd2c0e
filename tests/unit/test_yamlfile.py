"""YAML with the lines that its values stand on."""

from pathlib import Path

import pytest

from watchfleet.errors import ConfigError
from watchfleet.yamlfile import LARGEST_BYTES, Document

PATH = Path("w.yml")


def test_each_value_knows_its_line() -> None:
    document = Document.parse("a: 1\nb:\n- x: 2\n  y:\n    z: 3\n- 4\n", PATH)
    assert document.values == {"a": 1, "b": [{"x": 2, "y": {"z": 3}}, 4]}
    lines = [document.line(place) for place in (("a",), ("b", 0, "x"), ("b", 0, "y", "z"), ("b", 1))]
    assert lines == [1, 3, 5, 6]
    assert document.line(("b", 0, "missing")) == 3
    assert document.line(("nowhere",)) is None
    assert document.has(("b", 1))
    assert not document.has(("b", 2))


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert Document.parse("", PATH).values == {}
    assert Document.parse("# nothing yet\n", PATH).values == {}


def test_a_key_that_is_given_twice_is_a_problem_wherever_it_stands() -> None:
    document = Document.parse("a: 1\na: 2\nb: [{c: 1,\n c: 2}]\n", PATH)
    assert [(place, str(error)) for place, error in document.problems] == [
        (("b", 0), "w.yml:4:2: c is given twice, first on line 3 (keep one of the two)"),
        ((), "w.yml:2:1: a is given twice, first on line 1 (keep one of the two)"),
    ]


def test_anchors_and_merges_are_no_repetition() -> None:
    text = "base: &b {kind: http, timeout: 3s}\nt:\n- {<<: *b, name: x}\n- {<<: *b, name: y, timeout: 1s}\n"
    document = Document.parse(text, PATH)
    assert document.values["t"][1] == {"kind": "http", "name": "y", "timeout": "1s"}
    assert document.problems == ()
    assert document.line(("t", 1, "timeout")) == 4


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [1\nb: 2\n", r"w\.yml:2:\d+: not YAML: "),
        ("a: 1\n b: 2\n", r"w\.yml:2:\d+: not YAML: "),
        ("a: !!python/object:os.system x\n", r"w\.yml:1:\d+: not YAML: could not determine a constructor"),
        ("- a\n", r"w\.yml:1: holds a list, not a mapping"),
        ("just text\n", r"w\.yml:1: holds a str, not a mapping"),
        ("a: 1\n---\nb: 2\n", r"w\.yml:\d:\d+: not YAML: "),
        ("a: 2026-13-45\n", r"w\.yml: not YAML: "),
        ("a: \x00\n", r"w\.yml.*: not YAML: "),
    ],
)
def test_what_is_no_yaml_mapping_is_named_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Document.parse(text, PATH)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone: cannot be read: No such file"):
        Document.read(tmp_path / "gone")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        Document.read(tmp_path)
    latin = tmp_path / "latin.yml"
    latin.write_bytes("a: 1\nb: Grüße\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.yml:2: is not UTF-8"):
        Document.read(latin)
    huge = tmp_path / "huge.yml"
    with huge.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with pytest.raises(ConfigError, match="larger than 32 MiB"):
        Document.read(huge)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "bom.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert Document.read(path).values == {"a": 1}


def test_a_file_that_nests_very_deep_is_refused_before_it_ends_the_process() -> None:
    with pytest.raises(ConfigError, match=r"w\.yml:1:103: .* nests deeper than 100 levels"):
        Document.parse("a: " + "[" * 200_000, PATH)
