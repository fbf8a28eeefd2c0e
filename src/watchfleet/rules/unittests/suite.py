"""Runs whole files of rule tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

from watchfleet.errors import ConfigError
from watchfleet.rules.files import load
from watchfleet.rules.model import Group
from watchfleet.rules.unittests.cases import TestFile, TestGroup
from watchfleet.rules.unittests.reading import read_tests
from watchfleet.rules.unittests.run import Failure, run_group

Version = Literal[2, 3]


@dataclass(frozen=True, slots=True)
class GroupResult:
    """What came of one test.

    Attributes:
        test: The test.
        failures: What was not as expected.
        seconds: How long it took.
        version: The Prometheus whose ranges it passed or failed with: those of 2 include their left edge.
    """

    test: TestGroup
    failures: tuple[Failure, ...]
    seconds: float
    version: Version = 3


@dataclass(frozen=True, slots=True)
class FileResult:
    """What came of a file of tests.

    Attributes:
        path: The file.
        problems: Why it could not be run; empty if it was.
        warnings: What is worth knowing.
        groups: What came of its tests, as far as they were chosen.
    """

    path: Path
    problems: tuple[ConfigError, ...]
    warnings: tuple[str, ...] = ()
    groups: tuple[GroupResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return not self.problems and not any(group.failures for group in self.groups)


def run_file(
    path: Path, chosen: Callable[[str], bool] = lambda _: True, versions: Sequence[Version] = (3, 2)
) -> FileResult:
    """Run a file of rule tests.

    Args:
        path: The file.
        chosen: Says by its name whether a test is run.
        versions: Whose ranges a test may pass with; tried in turn.
    """
    tests, problems = read_tests(path)
    if tests is None:
        return FileResult(path, tuple(problems))
    warnings = tuple(f"no file matches {name}" for name in tests.unmatched)
    groups, problems = _groups(tests)
    if problems:
        return FileResult(path, tuple(problems), warnings)
    results = (_run(test, groups, tests, versions) for test in tests.groups if chosen(test.name))
    return FileResult(path, (), warnings, tuple(results))


def _run(
    test: TestGroup, groups: Sequence[Group], tests: TestFile, versions: Sequence[Version]
) -> GroupResult:
    """Run a test; one that fails gets a second chance with the other version's ranges."""
    began = monotonic()
    first: list[Failure] = []
    for version in versions:
        failures = run_group(test, groups, tests.interval, fuzzy=tests.fuzzy, left_closed=version == 2)
        if not failures:
            return GroupResult(test, (), monotonic() - began, version)
        first = first or failures
    return GroupResult(test, tuple(first), monotonic() - began, versions[0])


def _groups(tests: TestFile) -> tuple[list[Group], list[ConfigError]]:
    """The groups of all rule files in the order in which they are evaluated, and what is wrong with them."""
    loaded = [load(path) for path in tests.rule_files]
    place = {name: number for number, name in enumerate(tests.order)}
    groups = [group for one in loaded for group in one.file.groups]
    problems = [problem for one in loaded for problem in one.problems]
    return sorted(groups, key=lambda group: place.get(group.name, 0)), problems
