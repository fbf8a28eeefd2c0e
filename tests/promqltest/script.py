"""Prometheus's query scripts, read: `load`, `clear`, `eval` and what they expect."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from watchfleet.errors import WatchfleetError
from watchfleet.promql.errors import Span
from watchfleet.promql.labels import Labels
from watchfleet.promql.literals import number_of, seconds_of, unquote
from watchfleet.promql.notation import NativeHistogramError, parse_series

_LOAD = re.compile(r"load(?P<custom>_with_nhcb)?\s+(?P<step>\S+)", re.IGNORECASE)
_INSTANT = re.compile(
    r"eval(?:_(?P<mode>fail|warn|ordered|info))?\s+instant\s+(?:at\s+(?P<at>\S+)\s+)?(?P<expr>.+)"
)
_RANGE = re.compile(
    r"eval(?:_(?P<mode>fail|warn|info))?\s+range\s+from\s+(?P<start>\S+)\s+to\s+(?P<end>\S+)"
    r"\s+step\s+(?P<step>\S+)\s+(?P<expr>.+)"
)
_EXPECT = re.compile(
    r"expect\s+(?P<what>ordered|fail|warn|no_warn|info|no_info)(?:\s+(?P<how>msg|regex):(?P<text>.*))?"
)
_EXPECT_RANGE = re.compile(r"expect range vector\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)")
_EXPECT_STRING = re.compile(r"expect string\s+(.+)")


class ScriptError(Exception):
    """A line of a script that cannot be read."""


@dataclass(slots=True)
class Clear:
    """Forget all series."""


@dataclass(slots=True)
class Load:
    """Add series.

    Attributes:
        step: Milliseconds from one value to the next.
        series: The values of each series.
        histograms: Series with native histograms, whose values are not read.
    """

    step: int
    series: dict[Labels, list[float | None]] = field(default_factory=dict)
    histograms: list[Labels] = field(default_factory=list)


@dataclass(slots=True)
class Expectation:
    """What an annotation or an error must say.

    Attributes:
        text: The words; empty for any.
        regex: Whether they are a pattern.
    """

    text: str
    regex: bool

    def fits(self, message: str) -> bool:
        """Whether a message is as expected."""
        if not self.text:
            return True
        return re.search(self.text, message) is not None if self.regex else self.text == message


@dataclass(slots=True)
class Eval:
    """Evaluate an expression.

    Attributes:
        line: Where it stands in the script, from 1.
        expr: The expression.
        start: The first time in milliseconds, or the only one.
        end: The last time; None for an instant query.
        step: From one time to the next.
        expected: The values of each series expected; at most one for an instant vector.
        scalar: The scalar expected.
        string: The string expected.
        says: What `expect` lines ask for.
        samples: Start and step of the samples expected, if the result is a range vector.
        native: Whether native histograms are expected.
    """

    line: int
    expr: str
    start: int
    end: int | None = None
    step: int = 0
    expected: dict[Labels, list[float | None]] = field(default_factory=dict)
    scalar: float | None = None
    string: str | None = None
    says: dict[str, list[Expectation]] = field(default_factory=dict)
    samples: tuple[int, int] | None = None
    native: bool = False


@dataclass(slots=True)
class Broken:
    """A command that cannot be read.

    Attributes:
        line: Where it stands in the script, from 1.
        cause: What is wrong with it.
    """

    line: int
    cause: str


Command = Clear | Load | Eval | Broken


def read(path: Path) -> list[Command]:
    """The commands of a script."""
    lines = [line.strip() for line in path.read_text().split("\n")]
    lines = ["" if line.startswith("#") else line for line in lines]
    commands: list[Command] = []
    at = 0
    while at < len(lines):
        if lines[at]:
            block = _block(lines, at)
            try:
                commands.append(_command(lines[at], at + 1, block))
            except (ScriptError, WatchfleetError, ValueError) as error:
                commands.append(Broken(at + 1, str(error)))
            at += len(block)
        at += 1
    return commands


def _block(lines: list[str], at: int) -> list[str]:
    """The lines after a command up to the next empty one."""
    if lines[at].lower().startswith("clear"):
        return []
    end = at + 1
    while end < len(lines) and lines[end]:
        end += 1
    return lines[at + 1 : end]


def _command(line: str, number: int, block: list[str]) -> Command:
    if line.lower().startswith("clear"):
        return Clear()
    if load := _LOAD.fullmatch(line):
        return _load(load, block)
    if found := _INSTANT.fullmatch(line):
        command = Eval(number, found["expr"], _milliseconds(found["at"] or "0"))
    elif found := _RANGE.fullmatch(line):
        times = [_milliseconds(found[name]) for name in ("start", "end", "step")]
        command = Eval(number, found["expr"], times[0], times[1], times[2])
    else:
        raise ScriptError(f"not a command: {line}")
    if mode := found["mode"]:
        command.says[mode] = [Expectation("", regex=False)]
    for expectation in block:
        _expect(command, expectation)
    return command


def _load(found: re.Match[str], block: list[str]) -> Load:
    load = Load(_milliseconds(found["step"]))
    for line in block:
        try:
            labels, values = parse_series(line)
        except NativeHistogramError:
            labels, _ = parse_series(line[: line.index("{{")])
            load.histograms.append(labels)
        else:
            load.series[labels] = values
    if found["custom"]:
        load.histograms += [_custom_buckets(labels) for labels in load.series]
    return load


def _custom_buckets(labels: Labels) -> Labels:
    """The native histogram that `load_with_nhcb` makes of a bucket's series."""
    values = dict(labels)
    values.pop("le", None)
    values["__name__"] = re.sub(r"_(bucket|count|sum)$", "", values.get("__name__", ""))
    return tuple(sorted(values.items()))


def _expect(command: Eval, line: str) -> None:
    if found := _EXPECT_RANGE.fullmatch(line):
        start, _, step = map(_milliseconds, found.groups())
        command.samples, command.end = (start, step), None
    elif found := _EXPECT_STRING.fullmatch(line):
        command.string = unquote(found[1], Span(0, len(found[1])))
    elif found := _EXPECT.fullmatch(line):
        text = (found["text"] or "").strip()
        command.says.setdefault(found["what"], []).append(Expectation(text, found["how"] == "regex"))
    elif line.startswith("expected_fail_message"):
        command.says["fail"] = [Expectation(line.split(None, 1)[1], regex=False)]
    elif line.startswith("expected_fail_regexp"):
        command.says["fail"] = [Expectation(line.split(None, 1)[1], regex=True)]
    elif (number := _number(line)) is not None:
        command.scalar = number
    else:
        _expect_series(command, line)


def _expect_series(command: Eval, line: str) -> None:
    try:
        labels, values = parse_series(line)
    except NativeHistogramError:
        command.native = True
    else:
        command.expected[labels] = values


def _number(text: str) -> float | None:
    try:
        sign = -1.0 if text.startswith("-") else 1.0
        return sign * number_of(text[1:] if text[0] in "+-" else text)
    except ValueError:
        return None


def _milliseconds(text: str) -> int:
    seconds = seconds_of(text)
    if seconds is None:
        seconds = _number(text)
    if seconds is None:
        raise ScriptError(f"not a duration: {text}")
    return round(seconds * 1000)
