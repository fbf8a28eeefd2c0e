"""How counters and gauges move: rate, increase, delta, irate, idelta, changes, resets."""

from typing import Final

import numpy as np

from watchfleet.promql.frame import Frame
from watchfleet.promql.series import Bools, Floats, Ints
from watchfleet.promql.windows import Windows

_NEAR: Final = 1.1
"""Up to so many average distances from an edge, a series is taken to reach on to it."""


def rate(windows: Windows) -> Frame:
    """The counter's increase per second, extrapolated to the window's edges."""
    return _extrapolated(windows, counter=True, per_second=True)


def increase(windows: Windows) -> Frame:
    """The counter's increase, extrapolated to the window's edges."""
    return _extrapolated(windows, counter=True, per_second=False)


def delta(windows: Windows) -> Frame:
    """The gauge's difference between the window's edges, extrapolated to them."""
    return _extrapolated(windows, counter=False, per_second=False)


def irate(windows: Windows) -> Frame:
    """The counter's increase per second between the last two samples."""
    return _last_two(windows, counter=True)


def idelta(windows: Windows) -> Frame:
    """The gauge's difference between the last two samples."""
    return _last_two(windows, counter=False)


def changes(windows: Windows) -> Frame:
    """How often the value changed."""
    before, after = windows.values[:-1], windows.values[1:]
    return _count(windows, (after != before) & ~(np.isnan(after) & np.isnan(before)))


def resets(windows: Windows) -> Frame:
    """How often the counter started anew."""
    return _count(windows, windows.values[1:] < windows.values[:-1])


def _extrapolated(windows: Windows, *, counter: bool, per_second: bool) -> Frame:
    """Prometheus's `extrapolatedRate`: the difference of the edges' samples, scaled to the whole window.

    A series is taken to begin or end within the window if its first or last sample is further from the
    edge than samples usually are from each other; and a counter never to have been below zero.
    """
    first, last, counts = windows.first(), windows.last(), windows.counts
    ts, values = windows.timestamps, windows.values
    present = counts >= 2
    if not present.any():
        return windows.frame(np.zeros(counts.shape), present)
    start_value = values[first]
    difference = values[last] - start_value
    if counter:
        difference = _with_resets(windows, difference)
    sampled = (ts[last] - ts[first]) / 1000
    distance = sampled / (counts - 1)
    to_start = _reach((ts[first] - windows.starts) / 1000, distance)
    to_end = _reach((windows.ends - ts[last]) / 1000, distance)
    if counter:
        to_zero = sampled * (start_value / difference)
        limited = (difference > 0) & (start_value >= 0) & (to_zero < to_start)
        to_start = np.where(limited, to_zero, to_start)
    factor = np.where(sampled != 0, (sampled + to_start + to_end) / sampled, 1.0)
    if per_second:
        factor = factor / windows.seconds
    return windows.frame(difference * factor, present)


def _reach(gap: Floats, distance: Floats) -> Floats:
    """How far a series goes on towards an edge that is `gap` seconds from its outermost sample."""
    return np.where(gap >= distance * _NEAR, distance / 2, gap)


def _with_resets(windows: Windows, difference: Floats) -> Floats:
    """The difference with what each counter had counted before it was reset added to it."""
    places = np.flatnonzero(windows.values[1:] < windows.values[:-1]) + 1
    if not len(places):
        return difference
    first = np.searchsorted(places, windows.low + 1)
    found = np.searchsorted(places, windows.high) - first
    difference = difference.copy()
    for turn in range(int(found.max(initial=0))):
        windows.budget.tick()
        affected = found > turn
        difference[affected] += windows.values[places[first[affected] + turn] - 1]
    return difference


def _last_two(windows: Windows, *, counter: bool) -> Frame:
    last, previous = windows.last(), np.maximum(windows.high - 2, 0)
    if not len(windows.values):
        return windows.frame(np.zeros(last.shape), np.zeros(last.shape, bool))
    now, before = windows.values[last], windows.values[previous]
    elapsed = (windows.timestamps[last] - windows.timestamps[previous]) / 1000
    difference = now - before
    if counter:
        difference = np.where(now < before, now, difference) / elapsed
    return windows.frame(difference, (windows.counts >= 2) & (elapsed != 0))


def _count(windows: Windows, happened: Bools) -> Frame:
    """How often something happened between samples that follow each other within a window."""
    tally: Ints = np.concatenate(([0], np.cumsum(happened)))
    present = windows.counts > 0
    count = tally[windows.last()] - tally[windows.first()]
    return windows.frame(np.where(present, count, 0).astype(np.float64), present)
