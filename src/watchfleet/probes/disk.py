"""`disk`: is there room for more files, in bytes and in inodes?"""

import os
from pathlib import Path

from pydantic import Field

from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason


class DiskOptions(Options):
    """The settings of `disk`."""

    path: Path = Field(
        Path(), description="A folder on the file system. Not set: the probes worker's working directory."
    )
    degraded_below_percent: float = Field(
        10, ge=0, le=100, description="With less free space or fewer free inodes, it counts as degraded."
    )
    down_below_percent: float = Field(
        2, ge=0, le=100, description="With less free space or fewer free inodes, it counts as down."
    )


def probe(target: Target, options: DiskOptions, deadline: Deadline) -> ProbeResult:  # noqa: ARG001 - the shape of a probe
    """Ask the file system how much an ordinary user may still write."""
    attempt = Attempt(target)
    path = options.path.absolute()
    try:
        found = os.statvfs(path)
    except OSError as error:
        return attempt.down(Reason.PATH_MISSING, f"{path}: {error.strerror}")
    labels = {"path": str(path)}
    free = 100 * found.f_bavail / found.f_blocks if found.f_blocks else 100.0
    # File systems that make inodes as they need them report none.
    inodes = 100 * found.f_favail / found.f_files if found.f_files else 100.0
    values = [
        Measurement("disk_free_bytes", float(found.f_bavail * found.f_frsize), labels),
        Measurement("disk_size_bytes", float(found.f_blocks * found.f_frsize), labels),
        Measurement("disk_free_percent", free, labels),
        Measurement("disk_free_inodes_percent", inodes, labels),
    ]
    reason = Reason.LOW_SPACE if free <= inodes else Reason.LOW_INODES
    least = min(free, inodes)
    what = "space" if free <= inodes else "inodes"
    detail = f"{least:.1f} % of the {what} of {path} is free"
    if least < options.down_below_percent:
        return attempt.down(reason, detail, values)
    if least < options.degraded_below_percent:
        return attempt.degraded(reason, detail, values)
    return attempt.up(values)
