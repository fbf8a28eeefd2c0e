"""The ways in which logs write the time, as patterns with named parts, and what the parts mean.

Times without a zone are taken as UTC. Times without a year get the latest one that is not after the file's
last change; times without a date, the day of that change.
"""

import re
from calendar import timegm
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_DAY: Final = 86_400
_MICRO: Final = 1_000_000
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}
_ZONES: Final = {
    "UTC": 0, "GMT": 0, "WET": 0, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9,
    "AEST": 10, "AEDT": 11, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8,
    "PDT": -7,
}  # fmt: skip
"""Zones by their names, in hours east of Greenwich: those of RFC 5322, and others that are not ambiguous."""
_LEFT_OR_NUMBER: Final = rb"(?<![\w./+-])"
_LEFT: Final = _LEFT_OR_NUMBER + rb"(?<!\d:)"
_MONTH: Final = rb"(?P<mon>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_WEEKDAY: Final = rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},?[ ])?"
_CLOCK: Final = rb"(?P<H>\d{1,2}):(?P<M>\d{1,2}):(?P<S>\d{1,2})"
_TWO: Final = rb"(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)"
_FRACTION: Final = rb"(?:[.,](?P<f>\d{1,9})(?!\d))?"
_MILLISECONDS: Final = rb"(?:[.,](?P<f>\d{1,9})(?!\d)|:(?P<ms>\d{3})(?![\d:]))?"
_NAMED_ZONE: Final = rb"(?:UTC|GMT|WET|CES?T|EES?T|MSK|[JK]ST|AE[SD]T|[ECMP][SD]T)\b"  # those of _ZONES
_ZONE: Final = rb"(?:[ ]?(?P<z>Z\b|" + _NAMED_ZONE + rb"|[+-]\d\d:?\d\d(?!\d)|[+-]\d\d(?![\d:.-])))?"
_HALF: Final = rb"(?:[ ]?(?P<p>[AaPp]\.?[Mm])\b)?"


@dataclass(frozen=True, slots=True)
class Stamp:
    """One way to write the time.

    Attributes:
        name: For people.
        pattern: Finds it, with named parts.
        rank: How much it says: 3 an instant, 2 a date with its year, 1 one without, 0 a time of day.
    """

    name: str
    pattern: re.Pattern[bytes]
    rank: int

    def read(self, found: re.Match[bytes], reference: float) -> int | None:
        """What a match means, in microseconds since the epoch; None if there is no such time.

        Args:
            found: A match of the pattern.
            reference: Unix time of the file's last change, for what the match leaves out.
        """
        parts = found.groupdict()
        if epoch := parts.get("epoch"):
            return _of_epoch(epoch, parts.get("f"))
        try:
            return _of_parts(parts, reference)
        except ValueError:
            return None


def _of_epoch(digits: bytes, fraction: bytes | None) -> int | None:
    scale = {10: _MICRO, 13: 1000, 16: 1}.get(len(digits))
    if scale is None:  # nanoseconds
        return int(digits) // 1000
    return int(digits) * scale + _fraction(fraction)


def _of_parts(parts: dict[str, bytes | None], reference: float) -> int:
    hour, minute, second = (int(parts[name] or 0) for name in ("H", "M", "S"))
    if half := parts.get("p"):
        hour = hour % 12 + (12 if half[:1] in b"pP" else 0)
    if hour > 24 or minute > 59 or second > 60:
        raise ValueError
    within = (hour * 3600 + minute * 60 + second) * _MICRO
    within += int(ms) * 1000 if (ms := parts.get("ms")) else _fraction(parts.get("f"))
    return _day(parts, within, reference) * _DAY * _MICRO + within - _zone(parts.get("z")) * _MICRO


def _fraction(digits: bytes | None) -> int:
    return int(digits[:6].ljust(6, b"0")) if digits else 0


def _day(parts: dict[str, bytes | None], within: int, reference: float) -> int:
    """The date, as days since the epoch."""
    if "d" not in parts:
        today = int(reference) // _DAY
        return today if today * _DAY * _MICRO + within <= (reference + 60) * _MICRO else today - 1
    month = parts.get("m") or parts.get("mon") or b""
    year = parts.get("Y") or parts.get("y")
    if year is None:
        return _recent(month, parts["d"] or b"", int(reference) + _DAY)
    return _date(year, month, parts["d"] or b"")


@lru_cache(maxsize=4096)
def _date(year: bytes, month: bytes, day: bytes) -> int:
    """Days since the epoch; raises ValueError where the calendar has no such day."""
    number = int(year)
    if len(year) == 2:
        number += 2000 if number < 70 else 1900
    which = int(month) if month.isdigit() else _MONTHS[month[:3].lower()]
    if not (1 <= which <= 12 and 1 <= int(day) <= _length(number, which)):
        raise ValueError
    return timegm((number, which, int(day), 0, 0, 0)) // _DAY


def _length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31


@lru_cache(maxsize=4096)
def _recent(month: bytes, day: bytes, latest: int) -> int:
    """The latest such day that is not after `latest`; of February the 29th, in the last leap year."""
    year = 1970 + latest // 31_556_952
    for back in range(9):
        try:
            found = _date(b"%d" % (year + 1 - back), month, day)
        except ValueError:
            continue
        if found * _DAY <= latest:
            return found
    raise ValueError


@lru_cache(maxsize=256)
def _zone(text: bytes | None) -> int:
    """Seconds east of Greenwich."""
    if text is None:
        return 0
    if text[:1] not in b"+-":
        return _ZONES.get(text.decode().upper(), 0) * 3600
    digits = text[1:].replace(b":", b"").ljust(4, b"0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if text[:1] == b"-" else seconds


def _stamp(name: str, rank: int, *parts: bytes, left: bytes = _LEFT) -> Stamp:
    return Stamp(name, re.compile(left + b"".join(parts), re.IGNORECASE), rank)


def _after_letter(name: str, rank: int, *year: bytes) -> Stamp:
    """A date that a level's letter is written together with."""
    date = rb"(?P<m>[01]\d)(?P<d>[0-3]\d) "
    return Stamp(name, re.compile(rb"(?<!\S.)(?<=[VDIWEF])" + b"".join((*year, date, _TWO, _FRACTION))), rank)


_YMD: Final = rb"(?P<Y>(?:19|20)\d\d)"
STAMPS: Final = (
    # 2015-10-18T18:01:47.978Z, 2015-10-18 18:01:47,978 +0200, 2024/05/01 12:00:00
    _stamp(
        "iso",
        2,
        _YMD,
        rb"(?P<s>[-/.])(?P<m>\d\d)(?P=s)(?P<d>\d\d)(?:[ ]{1,2}|[T_:\t-]| - |\"?[ ,;]\"?(?:time=\"?)?)",
        _CLOCK,
        _MILLISECONDS,
        _ZONE,
    ),
    # 2015-10-18T18:01Z
    _stamp(
        "iso minutes", 2, _YMD, rb"-(?P<m>\d\d)-(?P<d>\d\d)[T ](?P<H>\d\d):(?P<M>\d\d)(?P<S>)(?![\d:])", _ZONE
    ),
    # 2005-06-03-15.42.50.675872, 2024.05.13-13.02.03:123
    _stamp(
        "dotted",
        2,
        _YMD,
        rb"(?P<s>[-.])(?P<m>\d\d)(?P=s)(?P<d>\d\d)[-T ](?P<H>\d\d)\.(?P<M>\d\d)\.(?P<S>\d\d)",
        _MILLISECONDS,
    ),
    # 20171223-22:15:29:606, the last part in milliseconds and nothing padded
    _stamp(
        "compact",
        2,
        _YMD,
        rb"(?P<m>\d\d)(?P<d>\d\d)[- T_]",
        _CLOCK,
        rb"(?::(?P<ms>\d{1,3})(?!\d)|[.,](?P<f>\d{1,9}))?",
        _ZONE,
    ),
    # 20171223T221529.606Z, 1234:20171223:221529.606
    _stamp(
        "basic",
        2,
        _YMD,
        rb"(?P<m>\d\d)(?P<d>\d\d)[- T_:]?(?P<H>\d\d)(?P<M>\d\d)(?P<S>\d\d)",
        _FRACTION,
        rb"(?!\d)",
        _ZONE,
        left=_LEFT_OR_NUMBER,
    ),
    # 081109 203615, 081109 20:36:15
    _stamp(
        "six digits",
        2,
        rb"(?P<y>\d\d)(?P<m>[01]\d)(?P<d>[0-3]\d) {1,2}(?P<H>\d{1,2}):?(?P<M>\d\d):?(?P<S>\d\d)",
        _FRACTION,
        rb"(?![\w:])",
    ),
    # 17/06/09 20:10:40
    _stamp("year first", 2, rb"(?P<y>\d\d)([/.-])(?P<m>\d\d)\2(?P<d>\d\d)[ T,]{1,2}", _TWO, _FRACTION, _ZONE),
    # 05/31/2024 12:00:00 PM
    _stamp(
        "month first",
        2,
        rb"(?P<m>\d{1,2})([/-])(?P<d>\d{1,2})\2(?P<Y>\d{4}|\d\d)[ T,-]{1,2}",
        _CLOCK,
        _MILLISECONDS,
        _HALF,
        _ZONE,
    ),
    # 31/05/2024 12:00:00, 31.05.24 12:00:00
    _stamp(
        "day first",
        2,
        rb"(?P<d>\d{1,2})([/.-])(?P<m>\d{1,2})\2(?P<Y>\d{4}|\d\d)[ T,-]{1,2}",
        _CLOCK,
        _FRACTION,
        _HALF,
        _ZONE,
    ),
    # 10/Oct/2000:13:55:36 -0700, 10/Oct/2000 13:55:36
    _stamp("common log", 2, rb"(?P<d>\d\d)/", _MONTH, rb"/(?P<Y>\d{4})[: ]", _TWO, _FRACTION, _ZONE),
    # Fri, 25 Nov 2026 22:59:31.124, 25-Nov-2026::22:59:31
    _stamp(
        "day and month",
        2,
        _WEEKDAY,
        rb"(?P<d>\d{1,2})[ -]",
        _MONTH,
        rb"[ -](?P<Y>\d{4})(?:[ ,T]{1,2}|:{1,2})",
        _CLOCK,
        _FRACTION,
        _HALF,
        _ZONE,
    ),
    # Sun Dec 04 04:47:44.123 2005, Wed May  1 12:00:00 UTC 2024
    _stamp(
        "asctime",
        2,
        _WEEKDAY,
        _MONTH,
        rb"[ ]{1,2}(?P<d>\d{1,2}) ",
        _TWO,
        _FRACTION,
        rb" (?:(?P<z>[A-Z]{2,5}) )?(?P<Y>(?:19|20)\d\d)(?!\d)",
    ),
    # May 01, 2024 12:00:00 PM, may/01/2024 12:00:00
    _stamp(
        "month and day",
        2,
        _WEEKDAY,
        _MONTH,
        rb"(?:/|[ ]{1,2})(?P<d>\d{1,2})(?:/|,? )(?P<Y>(?:19|20)\d\d),? ",
        _CLOCK,
        _FRACTION,
        _HALF,
        _ZONE,
    ),
    # 25 Nov 22:59:31.124
    _stamp("day and month without a year", 1, rb"(?P<d>\d{1,2})[ -]", _MONTH, rb" ", _CLOCK, _FRACTION),
    # Dec 10 06:55:46
    _stamp("syslog", 1, _WEEKDAY, _MONTH, rb"[ ]{1,2}(?P<d>\d{1,2}),? ", _CLOCK, _FRACTION, _ZONE),
    # 03-17 16:13:38.811, 10.30 16:49:06
    _stamp(
        "month and day in digits", 1, rb"(?P<m>[01]?\d)([-./])(?P<d>[0-3]?\d)[ T|-]{1,2}", _TWO, _FRACTION
    ),
    # E20240501 12:00:00.123456, E240501 12:00:00.123456
    _after_letter("letter and year", 2, rb"(?:", _YMD, rb"|(?P<y>\d\d))"),
    # E0501 12:00:00.123456
    _after_letter("letter and month", 1),
    # 0501/120000.123456
    _stamp(
        "month and day run together",
        1,
        rb"(?P<m>[01]\d)(?P<d>[0-3]\d)/(?P<H>\d\d)(?P<M>\d\d)(?P<S>\d\d)",
        rb"\.(?P<f>\d{3,6})(?!\d)",
        left=_LEFT_OR_NUMBER,
    ),
    # 1077804742, 1077804742.123, 1077804742123, audit(1077804742.123:5)
    _stamp(
        "epoch", 3, rb"(?P<epoch>1\d{9}|1\d{12}|1\d{15}|1\d{18})(?:\.(?P<f>\d{1,9}))?(?![\w./-]|:\d++[^)])"
    ),
    # 12:00:00.123
    _stamp("time of day", 0, _TWO, _FRACTION, rb"(?![\w:])"),
    # 9:04AM
    _stamp("half a day", 0, rb"(?P<H>\d{1,2}):(?P<M>\d\d)(?::(?P<S>\d\d))?[ ]?(?P<p>[AP]M)\b"),
)
"""In the order in which they are tried where nothing else decides."""


def digits_of_fraction(found: re.Match[bytes]) -> int:
    """How exact a match is: the digits after its second."""
    parts = found.groupdict()
    return len(parts.get("ms") or parts.get("f") or b"")
