"""Counters of scrapes by platform: exact, as they change with the events that they count."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from watchfleet.metrics.counters import Tally, Total
from watchfleet.metrics.events import OUTCOMES
from watchfleet.model import Event

TOTAL: Final = "scrapes_total"
DURATION: Final = "scrape_duration_seconds"
BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""The upper bounds of the buckets of `DURATION`, in seconds; the last bucket has none."""

ENDLESS: Final = "+Inf"


def count(events: Iterable[Event]) -> Tally:
    """What events add to the counters: each outcome, and each duration to its one bucket and to the sum."""
    tally = Tally()
    for event in events:
        outcome = OUTCOMES.get(event.signal)
        if outcome is None:
            continue
        tally.add(TOTAL, labels={"platform": event.platform, "outcome": outcome})
        if "duration" in event.fields:
            seconds = float(event.fields["duration"])
            tally.add(f"{DURATION}_bucket", labels={"platform": event.platform, "le": bucket(seconds)})
            tally.add(f"{DURATION}_sum", seconds, {"platform": event.platform})
    return tally


def histograms(totals: Iterable[Total]) -> dict[str, tuple[list[tuple[str, float]], float]]:
    """The histogram of durations by platform: each bound with the count up to it, and the sum."""
    counts: dict[str, dict[str, float]] = defaultdict(dict)
    sums: dict[str, float] = {}
    for total in totals:
        if total.name == f"{DURATION}_bucket":
            counts[total.labels["platform"]][total.labels["le"]] = total.value
        elif total.name == f"{DURATION}_sum":
            sums[total.labels["platform"]] = total.value
    bounds = [*map(str, BOUNDS), ENDLESS]
    return {
        platform: (
            list(zip(bounds, accumulate(found.get(bound, 0.0) for bound in bounds), strict=True)),
            sums.get(platform, 0.0),
        )
        for platform, found in counts.items()
    }


def bucket(seconds: float) -> str:
    """The bound of the bucket that holds a duration."""
    place = bisect_left(BOUNDS, seconds)
    return str(BOUNDS[place]) if place < len(BOUNDS) else ENDLESS
