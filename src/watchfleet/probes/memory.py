"""`memory`: how much memory can be had without swapping?"""

import psutil
from pydantic import Field

from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason


class MemoryOptions(Options):
    """The settings of `memory`."""

    degraded_below_percent: float = Field(
        10, ge=0, le=100, description="With less available memory, it counts as degraded."
    )
    down_below_percent: float = Field(
        3, ge=0, le=100, description="With less available memory, it counts as down."
    )


def probe(target: Target, options: MemoryOptions, deadline: Deadline) -> ProbeResult:  # noqa: ARG001 - the shape of a probe
    """Ask the kernel of the machine that the probes worker runs on."""
    attempt = Attempt(target)
    memory = psutil.virtual_memory()
    percent = 100 * memory.available / memory.total
    values = [
        Measurement("memory_available_bytes", float(memory.available)),
        Measurement("memory_size_bytes", float(memory.total)),
        Measurement("memory_available_percent", percent),
    ]
    detail = f"{percent:.1f} % of the memory is available"
    if percent < options.down_below_percent:
        return attempt.down(Reason.LOW_MEMORY, detail, values)
    if percent < options.degraded_below_percent:
        return attempt.degraded(Reason.LOW_MEMORY, detail, values)
    return attempt.up(values)
