"""Whether a process leaks memory: growth that goes on, told from warm-up, steps, sawtooth and full caches.

A slope over everything does not tell: memory that rises for a time and then stays is the rule, not a leak.
So the level is looked at, and its growth must have the shape of a leak:

1. Generations are joined (`joined`): a process that was started anew goes on at the level of the one before.
2. Of every 10 minutes only the lowest value counts, then of each of these the lowest that is still to come.
   What a garbage collection, a cache flush or the end of a batch gave back was never leaked, so this level is
   what the process did not give back (Theil's and Sen's slope alone takes a rising sawtooth for a leak).
3. The rate is the slope of that level by Theil and Sen, robust against single steps.
4. The level must grow in every part of the window, still at its end, and not by one step.

The parts are the idea of Precog (Jindal et al., "Online memory leak detection in the cloud-based
infrastructures", 2021, arXiv 2106.08938): a trend counts when it holds over several windows. That trend tests
alone cry wolf is shown by Machida et al., "On the effectiveness of Mann-Kendall test for detection of
software aging" (2013); that the lowest values tell of leaks is how garbage-collected heaps are read by hand.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from watchfleet.metrics.trends.outcome import Unknown
from watchfleet.metrics.trends.series import Floats
from watchfleet.metrics.trends.slope import Slope, fit

BIN: Final = 600.0
"""Seconds in which a healthy process reaches its floor once: batches and collections come more often."""
BINS: Final = 15
"""How many make the window, two and a half hours: a shorter one takes more daily rises for leaks."""
PARTS: Final = 6
"""Parts in which the level must rise, of more than two floors each, so that one late floor does not count."""
LEAST_SHARE: Final = 0.25
"""Of the mean rate, in each part: a leak follows the load, which may fall to a quarter for a time."""
TAIL: Final = 0.1
"""The last part of the window, in which what levels off shows it."""
LEAST_TAIL: Final = 2 / 3
"""Of the mean rate, in the tail. What fills exponentially has less if its time constant is below 1.3 windows:
after a window of `a` time constants, tail and mean are as a to exp(a) - 1."""
LARGEST_STEP: Final = 0.5
"""Of the growth, by one floor: more is a step, whatever the rest does."""
KNOWN_BINS: Final = 0.7
"""Of the window's bins, that must have values; gaps between them are bridged by straight lines."""
HOUR: Final = 3600.0


class Reason(StrEnum):
    """Why a process counts as leaking, or not."""

    LEAKING = "leaking"
    HISTORY_TOO_SHORT = "history_too_short"
    BELOW_THRESHOLD = "below_threshold"
    NOT_STEADY = "not_steady"
    LEVELLING_OFF = "levelling_off"
    ONE_STEP = "one_step"


class Origin(StrEnum):
    """Who allocates what is not given back."""

    PYTHON = "python"
    NATIVE = "native"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class History:
    """What a process was seen to use, in the order of time; all of one length.

    Attributes:
        times: Unix seconds.
        resident: Bytes in RAM.
        generations: A number that changes when the process is a new one, such as its start time.
        blocks: Blocks that Python's allocator has given out; NaN where that is not known.
    """

    times: Floats
    resident: Floats
    generations: Floats
    blocks: Floats


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the newest window of a history says.

    Attributes:
        reason: `leaking`, or what speaks against it.
        rate: Bytes an hour that are not given back; NaN when the history is too short.
        low: The lower bound of its 95 % confidence interval.
        high: The upper bound.
        onset: Since when it grows, in Unix seconds, to within a part of the window; None if it does not leak.
        until_limit: Seconds until the limit is reached at that rate; None without a limit or a leak.
        origin: Whether Python's objects grow too, or only memory that Python knows nothing of.
    """

    reason: Reason
    rate: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    onset: float | None = None
    until_limit: float | None = None
    origin: Origin = Origin.UNKNOWN

    @property
    def is_leaking(self) -> bool:
        """Whether to tell somebody."""
        return self.reason is Reason.LEAKING


def judge(history: History, threshold: float, limit: float | None = None) -> Verdict:
    """Whether the process leaks as of the history's last time.

    Args:
        history: Of the last two and a half hours at least; the onset is looked for in whatever is before.
        threshold: Bytes an hour above which growth is a leak.
        limit: Bytes at which the process ends or is ended, if there are such.

    Returns:
        The verdict, with a named reason either way.
    """
    levels = floors(history.times, joined(history.times, history.resident, history.generations))
    trend = _trend(levels)
    if trend is None:
        return Verdict(Reason.HISTORY_TOO_SHORT)
    level, slope = trend
    verdict = Verdict(_reason(level, slope, threshold), *_per_hour(slope))
    return _explained(verdict, history, levels, limit) if verdict.is_leaking else verdict


def _trend(levels: Floats) -> tuple[Floats, Slope] | None:
    """The window's level and its slope; None if too little of it is known."""
    if len(levels) < BINS or np.isfinite(levels[-BINS:]).sum() < KNOWN_BINS * BINS:
        return None
    level = kept(levels)[-BINS:]
    slope = fit(np.arange(BINS, dtype=np.float64) * BIN, level)
    return None if isinstance(slope, Unknown) else (level, slope)


def _explained(verdict: Verdict, history: History, levels: Floats, limit: float | None) -> Verdict:
    left = None if limit is None else max(limit - history.resident[-1], 0) / verdict.rate * HOUR
    onset = history.times[-1] - _growing(kept(levels), verdict.rate)
    return Verdict(
        verdict.reason, verdict.rate, verdict.low, verdict.high, float(onset), left, _origin(history)
    )


def _per_hour(slope: Slope) -> tuple[float, float, float]:
    return slope.per_second * HOUR, slope.low * HOUR, slope.high * HOUR


def joined(times: Floats, values: Floats, generations: Floats) -> Floats:
    """The values as if no process had been started anew.

    The first bin of each generation but the first is its warm-up and becomes NaN; what follows goes on at
    the level at which the generation before ended. A generation that lived no longer than that leaves none.
    """
    result = np.full(len(values), np.nan)
    changes = np.flatnonzero(np.diff(generations)) + 1
    level = None
    for life in np.split(np.arange(len(values)), changes):
        at = life if level is None else life[times[life] - times[life[0]] > BIN]
        if not len(at):
            continue
        result[at] = values[at] + (0 if level is None else level - values[at[0]])
        level = result[at[-1]]
    return result


def floors(times: Floats, values: Floats) -> Floats:
    """The lowest value of each whole bin of Unix time; NaN for a bin without values.

    Bins are whole so that the answer does not depend on how often one asks: every further look at half a
    bin would be a further chance for a false alarm. The oldest and the newest count if nine tenths are there.
    """
    if not len(times):
        return np.empty(0)
    first = int(np.floor(times[0] / BIN + 0.9))
    count = max(int(np.floor(times[-1] / BIN + 0.1)) - first, 0)
    place = np.floor(times / BIN).astype(np.int64) - first
    known = np.isfinite(values) & (place >= 0) & (place < count)
    lowest = np.full(count, np.inf)
    np.minimum.at(lowest, place[known], values[known])
    return np.where(np.isfinite(lowest), lowest, np.nan)


def kept(levels: Floats) -> Floats:
    """Of each floor the lowest that is still to come: what was not given back until now."""
    known = np.flatnonzero(np.isfinite(levels))
    bridged = np.interp(np.arange(len(levels)), known, levels[known])
    lowest: Floats = np.minimum.accumulate(bridged[::-1])[::-1]
    return lowest


def _reason(level: Floats, slope: Slope, threshold: float) -> Reason:
    growth, end = level[-1] - level[0], len(level) - 1.0
    mean = growth / end
    if min(slope.per_second * HOUR, mean / BIN * HOUR) <= threshold:
        return Reason.BELOW_THRESHOLD
    if np.diff(level).max() > LARGEST_STEP * growth:
        return Reason.ONE_STEP
    if _rise(level, end * (1 - TAIL), end) < LEAST_TAIL * mean:
        return Reason.LEVELLING_OFF
    edges = np.linspace(0, end, PARTS + 1)
    parts = [_rise(level, *edges[at : at + 2]) for at in range(PARTS)]
    return Reason.LEAKING if min(parts) >= LEAST_SHARE * mean else Reason.NOT_STEADY


def _rise(level: Floats, start: float, end: float) -> float:
    """The mean rise a bin between two places."""
    places = np.arange(len(level))
    before, after = np.interp([start, end], places, level)
    return float(after - before) / (end - start)


def _growing(level: Floats, rate: float) -> float:
    """For how many seconds it has grown like this: part by part back from the window."""
    part = (BINS - 1) / PARTS
    start = len(level) - BINS + 0.0
    while start >= part and _rise(level, start - part, start) / BIN * HOUR >= LEAST_SHARE * rate:
        start -= part
    return (len(level) - start) * BIN


def _origin(history: History) -> Origin:
    """Python if the blocks that it did not give back rise for sure, native if they do not."""
    blocks = joined(history.times, history.blocks, history.generations)
    trend = _trend(floors(history.times, blocks))
    if trend is None:
        return Origin.UNKNOWN
    return Origin.PYTHON if trend[1].low > 0 else Origin.NATIVE
