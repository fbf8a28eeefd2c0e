"""Statements that differ in their values alone are of one kind."""

import json
from pathlib import Path

import pytest

from watchfleet.instrument import fingerprint
from watchfleet.instrument.fingerprint import key_of, text_of

PAIRS = Path(__file__).parents[4] / "shared" / "conformance" / "sql" / "libpg_query_pairs.json"


@pytest.mark.skipif(not PAIRS.exists(), reason=f"needs the statements in {PAIRS}")
def test_keys_are_those_of_libpg_query() -> None:
    pairs = json.loads(PAIRS.read_text())["pairs"]
    known = sum(key_of(statement) == key for statement, key in pairs)
    assert known >= len(pairs) - 3  # the parser of PostgreSQL 17 tells DEALLOCATE and MERGE otherwise


@pytest.fixture(params=["parser", "rule"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "rule":
        monkeypatch.setattr(fingerprint, "_parser", None)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(
    "other",
    [
        "SELECT a FROM t1 WHERE b = 7 AND c IN (1, 2)",
        "SELECT a  FROM t1\n WHERE b = %(b)s AND c IN (%s, %s, %s) -- of pay('x')",
        "/* task='a' */ SELECT a FROM t1 WHERE b = 'it''s' AND c IN ($1)",
    ],
)
def test_values_make_no_difference(other: str) -> None:
    assert key_of(other) == key_of("SELECT a FROM t1 WHERE b = 1 AND c IN (3, 4, 5)")
    assert "it" not in text_of(other)
    assert "pay" not in text_of(other)


@pytest.mark.usefixtures("either_way")
def test_names_make_one() -> None:
    assert key_of("SELECT a FROM t1") != key_of("SELECT a FROM t2")


def test_what_is_not_parsed_is_told_by_the_rule() -> None:
    assert text_of("SELECT TOP 3 * FROM t WHERE `a` = 'x'  AND b IN (1,2)") == (
        "SELECT TOP ? * FROM t WHERE `a` = ? AND b IN (?)"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE bob WITH PASSWORD 'hunter2'",
        "COPY t FROM 'hunter2'",
        "COMMENT ON TABLE t IS 'a -- hunter2'",
        "NOTIFY x, 'it''s hunter2'",
        "DO $body$ begin perform 'hunter2'; end $body$",
        "SELECT TOP 1 x FROM t WHERE a = E'it\\'s hunter2'",
        "SELECT TOP 1 x FROM t WHERE a = $$hunter2$$",
        "SELECT TOP 1 'unclosed hunter2",
        "/* hunter2 */ SELECT 1 -- hunter2",
    ],
)
def test_what_is_quoted_is_never_told(statement: str) -> None:
    assert "hunter2" not in text_of(statement)
