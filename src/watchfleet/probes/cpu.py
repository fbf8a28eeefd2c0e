"""`cpu`: how busy are the processors, and how many processes wait for one?"""

import os
import time
from typing import Final

import psutil
from pydantic import Field

from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason

SAMPLE: Final = 0.5
"""Seconds that a check looks at the processors."""


class CpuOptions(Options):
    """The settings of `cpu`."""

    degraded_above_percent: float = Field(
        95, ge=0, le=100, description="Busier processors make the target degraded."
    )
    down_above_load: float | None = Field(
        None,
        gt=0,
        description="A load average over 5 minutes above that, per processor, is down. Not set: never.",
    )


def probe(target: Target, options: CpuOptions, deadline: Deadline) -> ProbeResult:
    """Look for half a second, and at the load average."""
    attempt = Attempt(target)
    before = psutil.cpu_times()
    time.sleep(min(SAMPLE, deadline.remaining() / 2))
    busy = _busy_percent(before, psutil.cpu_times())
    load = os.getloadavg()[1] / (os.cpu_count() or 1)
    values = [Measurement("cpu_used_percent", busy), Measurement("cpu_load5_per_processor", load)]
    if options.down_above_load is not None and load > options.down_above_load:
        return attempt.down(Reason.HIGH_LOAD, f"the load average is {load:.1f} for each processor", values)
    if busy > options.degraded_above_percent:
        return attempt.degraded(Reason.HIGH_LOAD, f"the processors are {busy:.0f} % busy", values)
    return attempt.up(values, duration=0.0)


def _busy_percent(before: tuple[float, ...], after: tuple[float, ...]) -> float:
    """Of all processor time between two looks, what was neither idle nor waiting for a disk."""
    spent = [last - first for first, last in zip(before, after, strict=True)]
    fields = getattr(before, "_fields", ())
    idle = sum(seconds for name, seconds in zip(fields, spent, strict=False) if name in {"idle", "iowait"})
    # What guests used is in user and nice already.
    total = sum(seconds for name, seconds in zip(fields, spent, strict=False) if not name.startswith("guest"))
    return max(0.0, min(100.0, 100 * (total - idle) / total)) if total > 0 else 0.0
