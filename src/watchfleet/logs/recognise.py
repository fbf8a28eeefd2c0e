"""Where a log's lines have their time and their level: learnt from a sample, then read line by line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from watchfleet.logs import levels
from watchfleet.logs.json_lines import Fields, fields_of
from watchfleet.logs.levels import Slot
from watchfleet.logs.stamps import STAMPS, Stamp, digits_of_fraction

_HEADER: Final = 256
"""A time further to the right than so many bytes belongs to the message."""
_START: Final = 8
_PLAIN: Final = 40
_ENOUGH: Final = 48
"""So many lines tell the form of the time."""
_MARGIN: Final = 24
_COMMON: Final = 0.9
"""Of patterns that fit nearly as many lines as the best, the one that says most is taken."""
_LEAST: Final = 0.02
"""A second format must have this share of the sample's lines."""
_MOST_FORMATS: Final = 4
_MICRO: Final = 1_000_000
_LATEST: Final = 1e20
_COLOUR: Final = re.compile(rb"\x1b\[[0-9;]{0,20}m")


@dataclass(frozen=True, slots=True)
class Head:
    """What the first line of a record says.

    Attributes:
        time: Microseconds since the epoch; None if the log has no times.
        time_raw: As it is written.
        level: One of `levels.NAMES`.
        level_raw: As it is written.
        fields: The fields of a JSON line.
    """

    time: int | None
    time_raw: str | None = None
    level: str | None = None
    level_raw: str | None = None
    fields: Fields | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Lines with their time in one form, and their level in one place.

    Attributes:
        stamp: The form of the time.
        within: The time is in so many first bytes.
        slot: The level's place.
    """

    stamp: Stamp
    within: int
    slot: Slot | None

    def read(self, line: bytes, reference: float) -> Head | None:
        """What a line says; None if it is no line of this format."""
        found = self.stamp.pattern.search(line, 0, self.within)
        time = self.stamp.read(found, reference) if found else None
        if found is None or time is None:
            return None
        raw = self.slot.find(line) if self.slot else None
        return Head(time, _text(found.group()), levels.level_of(raw) if raw else None, _text(raw))


@dataclass(frozen=True, slots=True)
class Plain:
    """Lines with a level and no time, as `logging.basicConfig()` writes them."""

    slot: Slot

    def read(self, line: bytes, reference: float) -> Head | None:  # noqa: ARG002 - the formats' signature
        """What a line says; None if it is no line of this format."""
        raw = self.slot.find(line)
        return Head(None, None, levels.level_of(raw), _text(raw)) if raw else None


@dataclass(frozen=True, slots=True)
class Json:
    """Lines that are JSON objects."""

    def read(self, line: bytes, reference: float) -> Head | None:
        """What a line says; None if it is no line of this format."""
        fields = fields_of(line)
        if fields is None:
            return None
        time, raw = fields.time()
        level = fields.level()
        found = levels.level_of(level) if level is not None else None
        at = _read_any(time, reference) if time is not None else None
        return Head(at, raw, found, None if level is None else str(level), fields)


Format = Text | Plain | Json


@dataclass(frozen=True, slots=True)
class Log:
    """How a log's lines are read.

    Attributes:
        formats: The formats that its lines may have, the main one first; none if each line stands alone.
        reference: Unix time of the file's last change.
    """

    formats: tuple[Format, ...]
    reference: float

    def head(self, line: bytes) -> Head | None:
        """What a line says; None if it continues the record above it."""
        if not self.formats:
            return _NOTHING
        if b"\x1b" in line:
            line = _uncoloured(line)
        for one in self.formats:
            head = one.read(line, self.reference)
            if head is not None:
                return head
        return None

    @property
    def timed(self) -> bool:
        """Whether its lines have times."""
        return any(not isinstance(one, Plain) for one in self.formats)


_NOTHING: Final = Head(None)


def _uncoloured(line: bytes) -> bytes:
    """A line without the colours that it was written in for a terminal."""
    return _COLOUR.sub(b"", line)


def recognise(sample: Sequence[bytes], reference: float) -> Log:
    """Learn the formats of a log from some of its lines.

    Args:
        sample: Lines without their ends.
        reference: Unix time of the file's last change.
    """
    rest = [_uncoloured(line) for line in sample if line.strip()]
    least = max(1, int(_LEAST * len(rest)))
    formats: list[Format] = []
    while len(rest) >= least and len(formats) < _MOST_FORMATS:
        found = _learn(rest, reference, least, first=not formats)
        if found is None:
            break
        formats.append(found)
        rest = [line for line in rest if found.read(line, reference) is None]
    return Log(tuple(formats), reference)


def _learn(lines: Sequence[bytes], reference: float, least: int, *, first: bool) -> Format | None:
    if sum(1 for line in lines if _is_json(line, reference)) >= max(least, _COMMON * 0.3 * len(lines)):
        return Json()
    text = _learn_text(lines, reference, least, within=_HEADER if first else _START)
    if text is not None or not first:
        return text
    slot = levels.learn([line for line in lines if not line[:1].isspace()])
    return Plain(slot) if slot else None


def _is_json(line: bytes, reference: float) -> bool:
    head = Json().read(line, reference)
    return head is not None and head.time is not None


def _learn_text(lines: Sequence[bytes], reference: float, least: int, *, within: int) -> Text | None:
    """The form of the time that most lines have.

    A time of day alone must stand where the line begins, and so must the time of a second format: elsewhere
    it may be one that a message tells of.
    """
    lines = lines[:: max(1, len(lines) // _ENOUGH)]
    least = min(least, max(1, len(lines) // 2))
    fitting: list[_Fit] = []
    for stamp in STAMPS:
        fitting.append(_fit(stamp, lines, reference, within if stamp.rank else _START))
        if fitting[-1].is_plain(len(lines)):
            break  # no other can be better, but for one in a place where nobody writes it
    most = max((len(fit.lines) for fit in fitting), default=0)
    if most < least:
        return None
    best = max((fit for fit in fitting if len(fit.lines) >= _COMMON * most), key=lambda fit: fit.key)
    bound = best.end + _MARGIN
    return Text(
        best.stamp, min(_HEADER, bound) if within == _HEADER else _START + bound, levels.learn(best.lines)
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a form of time fits a sample: the lines that have it, and where."""

    stamp: Stamp
    lines: list[bytes]
    exact: bool
    start: float
    end: int

    def is_plain(self, count: int) -> bool:
        """Whether every line begins with it, and it leaves nothing to be wished for."""
        return self.exact and self.stamp.rank >= 2 and self.end <= _PLAIN and len(self.lines) == count

    @property
    def key(self) -> tuple[bool, bool, int, float]:
        """What decides: a date at all, digits after the second, how much it says, how far left it is."""
        return self.stamp.rank > 0, self.exact, self.stamp.rank, -self.start


def _fit(stamp: Stamp, lines: Sequence[bytes], reference: float, within: int) -> _Fit:
    having, starts, ends, exact = [], [], [], 0
    for line in lines:
        found = stamp.pattern.search(line, 0, _HEADER)
        if found is not None and found.start() < within and stamp.read(found, reference) is not None:
            having.append(line)
            starts.append(found.start())
            ends.append(found.end())
            exact += digits_of_fraction(found) > 0
    middle = sorted(starts)[len(starts) // 2] if starts else 0
    return _Fit(stamp, having, exact * 2 > len(having), middle, max(ends, default=0))


def read_time(text: str, reference: float) -> int | None:
    """A time in any of the forms that logs use, in microseconds since the epoch; None if it is none."""
    line = text.encode()
    for stamp in STAMPS:
        found = stamp.pattern.fullmatch(line)
        time = stamp.read(found, reference) if found else None
        if time is not None:
            return time
    return None


def _read_any(value: Any, reference: float) -> int | None:
    if isinstance(value, str):
        return read_time(value, reference)
    return _of_number(value)


def _of_number(value: float) -> int | None:
    """Seconds, milliseconds, microseconds or nanoseconds since the epoch, by their size."""
    for limit, scale in ((1e11, _MICRO), (1e14, 1000), (1e17, 1)):
        if 0 < value < limit:
            return round(value * scale)
    return int(value // 1000) if 0 < value < _LATEST else None


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="replace")
