"""Which day an instant belongs to: days are those of the fleet's time zone."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from watchfleet.clock import parse_duration
from watchfleet.settings import get_settings

EARLIEST: Final = date(1970, 1, 1)
LATEST: Final = date(2999, 12, 31)


def zone() -> ZoneInfo:
    """The time zone whose days are counted."""
    return ZoneInfo(get_settings().time_zone)


def day_of(at: datetime) -> date:
    """The day that holds an instant."""
    return at.astimezone(zone()).date()


def start_of(day: date) -> datetime:
    """The instant at which a day begins, in UTC; the first one, where clocks are put back over midnight."""
    return datetime.combine(day, time(), zone()).astimezone(UTC)


def begin_with_hours() -> bool:
    """Whether days begin with an hour of UTC, which they do not where clocks differ by a part of one."""
    seasons = (datetime(2026, month, 1, tzinfo=zone()).utcoffset() for month in (1, 7))
    return not any(offset and offset % timedelta(hours=1) for offset in seasons)


def parse(given: str, today: date) -> date:
    """A day as people write it: `2026-11-23`, or how long ago it was, such as `7d`; `0d` is today.

    Raises:
        ValueError: It is neither.
    """
    for read in (date.fromisoformat, lambda ago: today - parse_duration(ago)):
        try:
            found: date = read(given)
        except ValueError:
            continue
        if EARLIEST <= found <= LATEST:
            return found
    raise ValueError(f"{given!r} is no day; write it like 2026-11-23, or 7d for a week ago")


def touched(day: date) -> set[date]:
    """The UTC days in which instants of a day lie."""
    first = start_of(day)
    last = start_of(day + timedelta(days=1)) - timedelta(microseconds=1)
    return {first.date(), last.date()}
