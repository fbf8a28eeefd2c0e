"""Kinds of probe, ours and those of other distributions."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchfleet.errors import ConfigError
from watchfleet.model import Status
from watchfleet.probes import registry, targets
from watchfleet.probes.batch import check

PLUGIN = '''
from watchfleet.probes.probe import Attempt, Options

class DoorOptions(Options):
    """A door."""
    open: bool = True

class Clashing(Options):
    """Names what every target has."""
    timeout: int = 1

def probe(target, options: DoorOptions, deadline):
    attempt = Attempt(target)
    return attempt.up() if options.open else attempt.down("door_shut", "somebody shut it")

def untyped(target, options, deadline):
    raise NotImplementedError

def clashing(target, options: Clashing, deadline):
    raise NotImplementedError
'''
ENTRY_POINTS = """
[watchfleet.probes]
door = doors_for_test:probe
untyped = doors_for_test:untyped
clashing = doors_for_test:clashing
missing = doors_for_test:nothing
http = doors_for_test:probe
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another distribution that brings probes, as pip would lay it out."""
    (tmp_path / "doors_for_test.py").write_text(PLUGIN)
    metadata = tmp_path / "doors_for_test-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: doors-for-test\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    _forget()
    yield
    sys.modules.pop("doors_for_test", None)
    _forget()


def _forget() -> None:
    registry._others.cache_clear()
    registry.kind.cache_clear()
    targets.model_of.cache_clear()


def test_another_distribution_adds_a_kind_with_one_function(plugin: None) -> None:
    from support.target_of import target

    assert "door" in registry.kind_names()
    assert check(target("door")).status is Status.UP
    shut = check(target("door", open=False))
    assert (shut.status, shut.reason, shut.detail) == (Status.DOWN, "door_shut", "somebody shut it")


def test_ours_are_not_replaced(plugin: None) -> None:
    assert registry.kind("http").probe.__module__ == "watchfleet.probes.http"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("untyped", "must be annotated with a class derived from Options"),
        ("missing", "cannot be imported"),
        ("nonsense", "there is no probe of kind 'nonsense'"),
    ],
)
def test_a_kind_that_cannot_be_used_says_why(plugin: None, name: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        registry.kind(name)


def test_a_broken_kind_breaks_its_targets_alone(plugin: None) -> None:
    from support.target_of import configured

    loaded = configured({"name": "a", "kind": "clashing"}, {"name": "b", "kind": "door"})
    assert "b" in loaded.by_name
    assert "names an option 'timeout', which every target has" in str(loaded.problems[0])
