"""What must hold of any text at all: an answer, or an error with its cause and its place."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

from tests.promqltest.expressions import START, series
from watchfleet import promql
from watchfleet.errors import ConfigError
from watchfleet.rules.engine import NOWHERE, instances
from watchfleet.rules.files import parse_rules
from watchfleet.rules.model import Group
from watchfleet.rules.template import Data, TemplateSyntaxError, Texts, check_template, expand
from watchfleet.rules.template.limits import LARGEST_TEXT
from watchfleet.rules.template.values import EPOCH
from watchfleet.rules.unittests.reading import read_tests
from watchfleet.rules.unittests.run import run_group
from watchfleet.rules.unittests.storage import TestStorage

AT: Final = START + 600
LIMITS: Final = promql.Limits(samples=100_000, series=1_000, seconds=10)
PATH: Final = Path("fuzzed.yml")


def memory() -> promql.MemorySeries:
    """Series of every kind, for expressions to find."""
    found = promql.MemorySeries()
    for name, labels, points in series(Random(1)):
        found.append({"__name__": name, **labels}, [ts for ts, _ in points[:60]], [v for _, v in points[:60]])
    return found


def outcome(source: promql.SeriesSource, text: str) -> promql.Value | promql.QueryError:
    """What comes of asking for an expression."""
    try:
        promql.parse(text).pretty()
        promql.range_(source, text, AT - 60, AT, 30, limits=LIMITS)
        return promql.instant(source, text, AT, limits=LIMITS)
    except promql.QueryError as error:
        failure = error
    assert failure.cause
    assert failure.text == text
    line, column = failure.position or (0, 0)
    assert 1 <= line <= text.count("\n") + 1
    assert 1 <= column <= len(text.split("\n")[line - 1]) + 1
    return failure


def check_any_template(text: str) -> None:
    """Ask for a template to be checked and expanded."""
    error = _template_error(text)
    assert error is None or error.cause
    assert error is None or error.offset is None or 0 <= error.offset <= len(text)
    data = Data(Texts(job="a", __name__="up"), 1.5)
    said = expand(text, "A", data, lambda query: [({"job": "b"}, 2.0)], 0.0)
    assert len(said) <= LARGEST_TEXT + 10 * len(text) + 1000


def check_any_rules(text: str) -> None:
    """Ask for a rule file to be read and its rules evaluated."""
    loaded = parse_rules(text, PATH)
    check_placed(loaded.problems)
    source = TestStorage([], EPOCH, timedelta(minutes=1))
    for group in loaded.file.groups:
        for rule in group.rules:
            instances(rule, source, 0, None, NOWHERE)


def check_any_tests(path: Path, text: str, groups: Sequence[Group]) -> None:
    """Ask for a file of rule tests to be read and run."""
    path.write_text(text, encoding="utf-8", errors="replace")
    tests, problems = read_tests(path)
    assert (tests is None) == bool(problems)
    for test in tests.groups if tests else ():
        interval = max(tests.interval if tests else timedelta(0), timedelta(minutes=1))
        for failure in run_group(test, groups, interval):
            assert failure.got


def check_placed(problems: Iterable[ConfigError]) -> None:
    """Each problem of a file must say what is wrong, and where."""
    for problem in problems:
        assert problem.message
        assert str(problem).startswith(f"{PATH}")


def _template_error(text: str) -> TemplateSyntaxError | None:
    try:
        check_template(text)
    except TemplateSyntaxError as error:
        return error
    return None
