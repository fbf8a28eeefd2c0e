"""The processes whose memory is known, and which of them leak.

They are those with `process_resident_memory_bytes` and `process_start_time_seconds`, as every client library
of Prometheus exposes them. `process_allocated_blocks`, if there is such a series with the same labels, tells
leaks in Python from native ones, and `process_memory_limit_bytes` what there is to take.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from watchfleet.clock import slot_start
from watchfleet.detectors.memory_trend import History, Reason, Verdict, judge
from watchfleet.metrics import read
from watchfleet.metrics.ingest import write_samples
from watchfleet.metrics.trends.series import Floats
from watchfleet.model import Kind, Sample

RESIDENT: Final = "process_resident_memory_bytes"
STARTED: Final = "process_start_time_seconds"
BLOCKS: Final = "process_allocated_blocks"
LIMIT: Final = "process_memory_limit_bytes"
LEAK: Final = "watchfleet_memory_leak_bytes_per_hour"
"""The rate of a leak; 0 for a process that does not leak."""

LOOK_BACK: Final = timedelta(hours=6)
"""What is read: two windows of the detector and more, for the onset."""
GONE: Final = timedelta(minutes=10)
"""A process that was not heard of for longer is judged no more."""
PERIOD: Final = timedelta(minutes=2)
"""Of the task: often enough that PromQL's look-back of five minutes survives a run that fails."""

_Points = list[tuple[datetime, float]]
_ByLabels = dict[str, _Points]


@dataclass(frozen=True, slots=True)
class Process:
    """A process and what its memory does.

    Attributes:
        labels: What tells it from others; `process` is always among them.
        resident: Bytes in RAM, when it was last heard of.
        at: When that was.
        verdict: Whether it leaks.
    """

    labels: dict[str, str]
    resident: float
    at: datetime
    verdict: Verdict

    @property
    def name(self) -> str:
        """What it is called."""
        return self.labels["process"]

    def facts(self) -> dict[str, Any]:
        """All of it for JSON: rates in bytes an hour, None for what is not known."""
        verdict = self.verdict
        known = verdict.reason is not Reason.HISTORY_TOO_SHORT
        onset = None if verdict.onset is None else datetime.fromtimestamp(verdict.onset, UTC).isoformat()
        return {
            "process": self.name,
            "labels": self.labels,
            "at": self.at.isoformat(),
            "resident_bytes": self.resident,
            "leaking": verdict.is_leaking,
            "reason": str(verdict.reason),
            "bytes_per_hour": verdict.rate if known else None,
            "low": verdict.low if known else None,
            "high": verdict.high if known else None,
            "onset": onset,
            "seconds_until_limit": verdict.until_limit,
            "origin": str(verdict.origin),
        }


def judged(connection: Connection, now: datetime, threshold: float) -> list[Process]:
    """Every process that was heard of lately, the fastest-growing leak first.

    Args:
        connection: Where to read.
        now: The present.
        threshold: Bytes an hour above which growth is a leak.

    Raises:
        TooMuchError: There are more than 10,000 of them, or more than 1,000,000 samples.
    """
    since = now - LOOK_BACK
    started, blocks = (_by_labels(connection, name, since) for name in (STARTED, BLOCKS))
    limits = {_key(one.labels): one.points[-1][1] for one in read.latest(connection, LIMIT, since)}
    found = []
    for labels, points in read.recent(connection, RESIDENT, since):
        key = _key(labels)
        if key in started and points[-1][0] >= now - GONE:
            verdict = judge(history(points, started[key], blocks.get(key, [])), threshold, limits.get(key))
            at, resident = points[-1]
            found.append(Process(named(labels), resident, at, verdict))
    return sorted(found, key=lambda one: (not one.verdict.is_leaking, -_rate(one), one.name))


def history(resident: _Points, started: _Points, blocks: _Points) -> History:
    """The three series at the times of the first, each value holding until its next."""
    times, values = _arrays(resident)
    return History(times, values, _held(times, started), _held(times, blocks))


def publish(connection: Connection, now: datetime, threshold: float) -> list[Process]:
    """Write the rate of each process's leak as a sample; returns those that leak, the fastest first.

    Args:
        connection: A transaction.
        now: The present.
        threshold: Bytes an hour above which growth is a leak.
    """
    found = judged(connection, now, threshold)
    at = now.timestamp()
    samples = [Sample(LEAK, one.labels, Kind.GAUGE, at, _rate(one)) for one in found]
    if samples:
        write_samples(connection, f"memory:{slot_start(now, PERIOD).isoformat()}", samples, now)
    return [one for one in found if one.verdict.is_leaking]


def _rate(one: Process) -> float:
    return one.verdict.rate if one.verdict.is_leaking else 0.0


def named(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels, with a name: of what was scraped, what Prometheus tells targets apart by."""
    name = labels.get("process") or labels.get("instance") or labels.get("job") or "unnamed"
    return {**labels, "process": name}


def _by_labels(connection: Connection, name: str, since: datetime) -> _ByLabels:
    return {_key(one.labels): one.points for one in read.recent(connection, name, since)}


def _key(labels: Mapping[str, str]) -> str:
    return json.dumps(labels, sort_keys=True)


def _arrays(points: _Points) -> tuple[Floats, Floats]:
    table = np.array([(at.timestamp(), value) for at, value in points], np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _held(times: Floats, points: _Points) -> Floats:
    """What was last known at each time; before the first its value; NaN if nothing ever was."""
    if not points:
        return np.full(len(times), np.nan)
    known, values = _arrays(points)
    return values[np.maximum(np.searchsorted(known, times, "right") - 1, 0)]
