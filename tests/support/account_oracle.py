"""What the figures of accounts should be, worked out from a list of events in the plainest way."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from watchfleet.model import Event

Rows = dict[tuple[Any, ...], dict[str, Any]]


def day(event: Event, zone: str) -> date:
    return datetime.fromtimestamp(event.ts, UTC).astimezone(ZoneInfo(zone)).date()


def daily(events: Iterable[Event], zone: str = "UTC") -> Rows:
    """By day, platform, account and group: counts, sums and the last levels."""
    grouped: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in events:
        grouped[day(event, zone), event.platform, event.account, event.group or ""].append(event)
    return {key: _figures(found) for key, found in grouped.items()}


def _figures(events: list[Event]) -> dict[str, Any]:
    ended = [event for event in events if event.signal in {"account_scraped", "scrape_failed"}]
    durations = [event.fields["duration"] for event in ended if "duration" in event.fields]
    found = [event.fields.get("count", 1) for event in events if event.signal == "content_found"]
    figures: dict[str, Any] = {
        "succeeded": sum(event.signal == "account_scraped" for event in ended),
        "failed": sum(event.signal == "scrape_failed" for event in ended),
        "timed": len(durations),
        "duration_seconds": sum(map(exact, durations), Fraction(0)),
        "content": sum(map(exact, found), Fraction(0)),
    }
    for level in ("followers", "following", "posts", "likes", "comments", "shares", "views"):
        figures[level] = last(events, level)
    return figures


def last(events: Iterable[Event], level: str) -> float | None:
    """The level in the newest event that has it; of several at one time the largest."""
    known = [
        (event.ts, event.fields[level])
        for event in events
        if event.signal in {"followers_counted", "engagement_recorded"} and level in event.fields
    ]
    return max(known)[1] if known else None


def exact(value: Any) -> Fraction:
    return Fraction(repr(value))


def followers_at(events: Iterable[Event], end: date, zone: str = "UTC") -> dict[tuple[str, str], float]:
    """By platform and account: the last count of a day, or of up to seven days before."""
    found: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        if end - timedelta(days=7) <= day(event, zone) <= end:
            found[event.platform, event.account].append(event)
    counts = {key: last(some, "followers") for key, some in found.items()}
    return {key: count for key, count in counts.items() if count is not None}
