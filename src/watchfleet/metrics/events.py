"""Events about accounts as they came from outside: checked, and turned into samples of their platform."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from watchfleet.metrics.decode import Decoded
from watchfleet.metrics.names import is_number, is_storable
from watchfleet.metrics.rejects import Rejects
from watchfleet.model import Event, Kind
from watchfleet.signals import ACCOUNT_SIGNALS

LONGEST: Final = 256
MOST_FIELDS: Final = 32
_Row = tuple[tuple[str, ...], float, float]
"""A sample: what `_entry` makes its series of, its time in Unix seconds, its value."""

OUTCOMES: Final = {"account_scraped": "succeeded", "scrape_failed": "failed"}
"""The signals that tell how a scrape ended, and what they count as."""

_SIGNALS: Final = frozenset(signal.name for signal in ACCOUNT_SIGNALS)
_AMOUNTS: Final = {
    "account_scraped": ("duration",),
    "scrape_failed": ("duration",),
    "engagement_recorded": ("likes", "comments", "shares", "views"),
    "followers_counted": ("followers", "following", "posts"),
    "content_found": ("count",),
}
"""The fields of each signal that are counted with: numbers, and not negative."""


def check(rows: Iterable[Any], rejects: Rejects, oldest: float, newest: float) -> list[Event]:
    """The events that may be stored; the others are counted and kept as rejects.

    Args:
        rows: `[signal, ts, platform, account, group, fields]` each; may be anything.
        rejects: Where the others go, as `bad_event`, `unknown_signal`, `bad_amount`, `too_old` or `too_new`.
        oldest: The earliest time that is accepted, in Unix seconds.
        newest: The latest.
    """
    events = []
    for row in rows:
        event = _checked(row, oldest, newest)
        if isinstance(event, str):
            rejects.count(event)
            rejects.keep(event, {"event": row})
        else:
            events.append(event)
    return events


def with_samples(decoded: Decoded, events: Sequence[Event]) -> Decoded:
    """The batch with the samples that its events make."""
    rows = [row for event in events for row in _samples(event)]
    if not rows:
        return decoded
    series: dict[tuple[str, ...], int] = {}
    index = [series.setdefault(entry, len(series) + len(decoded.series)) for entry, _, _ in rows]
    entries = [_entry(*key) for key in series]
    return replace(
        decoded,
        series=[*decoded.series, *entries],
        index=np.r_[decoded.index, np.array(index, np.int64)],
        ts=np.r_[decoded.ts, np.array([round(ts * 1e6) for _, ts, _ in rows], np.int64)],
        value=np.r_[decoded.value, np.array([value for _, _, value in rows])],
    )


def _checked(row: Any, oldest: float, newest: float) -> Event | str:
    try:
        signal, ts, platform, account, group, fields = row
    except (TypeError, ValueError):
        return "bad_event"
    if not isinstance(signal, str) or signal not in _SIGNALS:
        return "unknown_signal"
    if not is_number(ts) or not all(_is_text(one) for one in (platform, account)):
        return "bad_event"
    if not (group is None or _is_text(group)) or not _are_fields(fields):
        return "bad_event"
    event = Event(signal, float(ts), platform, account, group, fields)
    return _complaint(event, oldest, newest) or event


def _complaint(event: Event, oldest: float, newest: float) -> str | None:
    if not all(_is_amount(event.fields[name]) for name in _AMOUNTS[event.signal] if name in event.fields):
        return "bad_amount"
    if event.ts < oldest:
        return "too_old"
    return "too_new" if event.ts > newest else None


def _is_amount(value: Any) -> bool:
    return is_number(value) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST and is_storable(value)


def _are_fields(fields: Any) -> bool:
    return (
        isinstance(fields, dict)
        and len(fields) <= MOST_FIELDS
        and all(_is_text(name) and (_is_text(value) or is_number(value)) for name, value in fields.items())
    )


def _samples(event: Event) -> list[_Row]:
    outcome, duration = OUTCOMES.get(event.signal), event.fields.get("duration")
    if outcome is None:
        return []
    rows: list[_Row] = [(("scrapes_total", Kind.EVENT, event.platform, outcome), event.ts, 1.0)]
    if duration is not None:
        rows.append((("scrape_duration_seconds", Kind.DURATION, event.platform), event.ts, float(duration)))
    return rows


def _entry(name: str, kind: str, platform: str, outcome: str = "") -> list[Any]:
    return [name, {"platform": platform, "outcome": outcome}, kind]
