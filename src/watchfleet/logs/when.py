"""A time as people give it: an instant in any common form, or how long ago it was."""

from datetime import UTC, datetime, timedelta
from typing import Final

from watchfleet.clock import parse_duration
from watchfleet.logs.errors import LogQueryError
from watchfleet.logs.recognise import read_time

_MICRO: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(at: datetime) -> int:
    """An instant in microseconds since the epoch."""
    return (at - _EPOCH) // _MICRO


def iso(time: int | None) -> str | None:
    """Microseconds since the epoch as `2026-11-25T09:30:00.123456Z`."""
    if time is None:
        return None
    try:
        return (_EPOCH + timedelta(microseconds=time)).isoformat(timespec="microseconds").removesuffix(
            "+00:00"
        ) + "Z"
    except OverflowError:
        return None


def read_when(parameter: str, given: str, now: datetime) -> int:
    """Read a time, in microseconds since the epoch.

    Args:
        parameter: Its name, for the error.
        given: `2026-11-25T09:30:00Z`, `2026-11-25`, `25/Nov/2026:09:30:00 +0100`, `Nov 25 09:30:00`, Unix
            seconds, milliseconds or microseconds, `now`, `today`, `yesterday`, or how long ago, as `15m`.
        now: The present.

    Raises:
        LogQueryError: It is none of these.
    """
    text = given.strip()
    for read in (_by_name, _ago, _date, _instant):
        found = read(text, now)
        if found is not None:
            return found
    raise LogQueryError(
        parameter,
        f"{given!r} is no time; write it like 2026-11-25T09:30:00Z, 2026-11-25, 1795599000 or 15m (ago)",
    )


def _by_name(text: str, now: datetime) -> int | None:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    return microseconds(days[text.lower()]) if text.lower() in days else None


def _ago(text: str, now: datetime) -> int | None:
    text = text.removesuffix("ago").strip().removeprefix("-").removeprefix("now-")
    if not text or text.replace(".", "").isdigit():
        return None
    try:
        return microseconds(now - parse_duration(text.replace(" ", "")))
    except (ValueError, OverflowError):
        return None


def _date(text: str, now: datetime) -> int | None:  # noqa: ARG001 - every reader is given the present
    try:
        return microseconds(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC))
    except ValueError:
        return None


def _instant(text: str, now: datetime) -> int | None:
    return read_time(text, now.timestamp()) if text else None
