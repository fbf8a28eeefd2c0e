"""Reads files of rule tests."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from glob import glob
from pathlib import Path
from typing import Final

from watchfleet.errors import ConfigError
from watchfleet.promql.notation import MOST_VALUES, NotationError, parse_labels, parse_series
from watchfleet.rules.model import DEFAULT_INTERVAL, Position
from watchfleet.rules.reader import Item, Reader
from watchfleet.rules.template.values import EPOCH
from watchfleet.rules.unittests.cases import (
    AlertCase,
    ExpectedAlert,
    ExpressionCase,
    InputSeries,
    TestFile,
    TestGroup,
)
from watchfleet.yamlfile import read_text

MOST_FILES: Final = 1000
"""Rule files of one file of tests."""
_FILE: Final = ("rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests")
_GROUP: Final = (
    "name", "interval", "start_timestamp", "input_series", "alert_rule_test", "promql_expr_test",
    "external_labels", "external_url",
)  # fmt: skip
_ALERT: Final = ("eval_time", "alertname", "exp_alerts")
_EXPECTED: Final = ("exp_labels", "exp_annotations")
_EXPRESSION: Final = ("expr", "eval_time", "exp_samples")
_SAMPLE: Final = ("labels", "value", "histogram")
_NUMBER: Final = re.compile(
    r"[+-]?(?:(?:\d[\d_]*)(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|0[xX][0-9a-fA-F]+|\.?inf|\.?nan)",
    re.IGNORECASE | re.ASCII,
)


def read_tests(path: Path) -> tuple[TestFile | None, list[ConfigError]]:
    """The tests of a file, or everything that is wrong with it."""
    try:
        reader = Reader(path, read_text(path))
    except ConfigError as error:
        return None, [error]
    root = reader.root()
    tests = _Tests(reader).read(root) if root else TestFile(path, (), DEFAULT_INTERVAL)
    return (None if reader.problems else tests), reader.problems


class _Tests:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def read(self, root: Item) -> TestFile:
        reader, fields = self._reader, self._reader.mapping(root, _FILE, "a file of tests")
        interval = self._duration(fields, "evaluation_interval") or DEFAULT_INTERVAL
        files, unmatched = self._rule_files(fields)
        return TestFile(
            reader.path,
            files,
            interval,
            self._order(fields),
            bool("fuzzy_compare" in fields and reader.truth(fields["fuzzy_compare"])),
            tuple(self._group(item, interval) for item in self._items(fields, "tests")),
            unmatched,
        )

    def _items(self, fields: Mapping[str, Item], key: str) -> list[Item]:
        return self._reader.items(fields[key]) if key in fields else []

    def _text(self, fields: Mapping[str, Item], key: str) -> str:
        return (self._reader.text(fields[key]) or "") if key in fields else ""

    def _duration(self, fields: Mapping[str, Item], key: str) -> timedelta:
        found = self._reader.duration(fields[key]) if key in fields else None
        return found or timedelta(0)

    def _texts(self, fields: Mapping[str, Item], key: str) -> dict[str, str]:
        if key not in fields:
            return {}
        return {name: text for name, (_, text) in self._reader.texts(fields[key]).items()}

    def _at(self, item: Item) -> Position:
        return Position(self._reader.path, item.line, item.column)

    def _rule_files(self, fields: Mapping[str, Item]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """The files that the patterns match from the file's own folder on; and patterns that match none."""
        found: dict[Path, None] = {}
        unmatched = []
        for item in self._items(fields, "rule_files"):
            pattern = self._reader.text(item) or ""
            matches = _matching(self._reader.path.parent / pattern) if pattern else []
            found |= dict.fromkeys(map(Path, matches[:MOST_FILES]))
            if not matches:
                unmatched.append(str(self._reader.path.parent / pattern))
        return tuple(found), tuple(unmatched)

    def _order(self, fields: Mapping[str, Item]) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for item in self._items(fields, "group_eval_order"):
            name = self._reader.text(item) or ""
            if name in names:
                self._reader.complain(
                    item, f"group_eval_order: {name!r} stands there twice", "keep one of the two"
                )
            names[name] = None
        return tuple(names)

    def _group(self, item: Item, interval: timedelta) -> TestGroup:
        fields = self._reader.mapping(item, _GROUP, "a test")
        alerts = tuple(self._alert(one) for one in self._items(fields, "alert_rule_test"))
        expressions = tuple(self._expression(one) for one in self._items(fields, "promql_expr_test"))
        step = self._duration(fields, "interval") or interval
        last = max([timedelta(0), *(case.time for case in alerts), *(case.time for case in expressions)])
        return TestGroup(
            self._text(fields, "name"),
            self._at(item),
            self._start(fields),
            step,
            tuple(self._series(one, last // step + 1) for one in self._items(fields, "input_series")),
            alerts,
            expressions,
            self._texts(fields, "external_labels"),
            self._text(fields, "external_url"),
        )

    def _start(self, fields: Mapping[str, Item]) -> datetime:
        """Unix seconds, or a time by RFC 3339."""
        text = self._text(fields, "start_timestamp")
        if not text:
            return EPOCH
        try:
            found = (
                EPOCH + timedelta(seconds=float(text))
                if _NUMBER.fullmatch(text)
                else datetime.fromisoformat(text)
            )
        except (ValueError, OverflowError):
            found = None
        if found is None or found.tzinfo is None:
            mend = "write 1609459200 or 2021-01-01T00:00:00Z"
            self._reader.complain(fields["start_timestamp"], f"start_timestamp: {text!r} is no time", mend)
            return EPOCH
        return found.astimezone(UTC)

    def _series(self, item: Item, keep: int) -> InputSeries:
        """A series with the values that the test gets to see, at least."""
        fields = self._reader.mapping(item, ("series", "values"), "a series")
        series, values = self._text(fields, "series"), self._text(fields, "values")
        try:
            labels, numbers = parse_series(f"{series} {values}", min(keep, MOST_VALUES))
        except NotationError as error:
            self._reader.complain(fields.get("values", item), f"input_series: {series}: {error}")
            return InputSeries((), ())
        return InputSeries(labels, tuple(numbers))

    def _alert(self, item: Item) -> AlertCase:
        fields = self._reader.mapping(item, _ALERT, "an alert_rule_test")
        name = self._text(fields, "alertname")
        if not name:
            self._reader.complain(item, "an alert_rule_test without alertname", "name the alert to be tested")
        expected = tuple(self._expected(one) for one in self._items(fields, "exp_alerts"))
        return AlertCase(self._at(item), self._duration(fields, "eval_time"), name, expected)

    def _expected(self, item: Item) -> ExpectedAlert:
        fields = self._reader.mapping(item, _EXPECTED, "an expected alert")
        return ExpectedAlert(self._texts(fields, "exp_labels"), self._texts(fields, "exp_annotations"))

    def _expression(self, item: Item) -> ExpressionCase:
        fields = self._reader.mapping(item, _EXPRESSION, "a promql_expr_test")
        expected = tuple(self._sample(one) for one in self._items(fields, "exp_samples"))
        time = self._duration(fields, "eval_time")
        return ExpressionCase(self._at(item), time, self._text(fields, "expr"), expected)

    def _sample(self, item: Item) -> tuple[tuple[tuple[str, str], ...], float]:
        fields = self._reader.mapping(item, _SAMPLE, "an expected sample")
        if "histogram" in fields:
            self._reader.complain(
                fields["histogram"], "native histograms are not supported", "test its buckets"
            )
        try:
            labels = parse_labels(self._text(fields, "labels"))
        except NotationError as error:
            self._reader.complain(fields["labels"], f"exp_samples: {error}")
            labels = ()
        return labels, self._value(fields)

    def _value(self, fields: Mapping[str, Item]) -> float:
        """A value; none is 0, as in promtool."""
        text = self._text(fields, "value")
        if not text:
            return 0.0
        if not _NUMBER.fullmatch(text):
            self._reader.complain(
                fields["value"], f"value: {text!r} is not a number", "write it like 0.9, .inf or .nan"
            )
            return 0.0
        plain = text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan")
        return float(int(plain, 16)) if "x" in plain else float(plain)


def _matching(pattern: Path) -> list[str]:
    return sorted(glob(str(pattern), include_hidden=True))  # noqa: PTH207 - the pattern may be absolute
