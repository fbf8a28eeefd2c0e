"""The names of log files: a live one is `probes.log`, its rotated generations carry the time of rotation.

`probes.log.20261125T093000.123456Z` is a generation, and with `.gz` a packed one. Nobody else writes such
names, so that what bears one is ours. supervisord numbers its generations, `probes.log.1` the newest; those
are ours only where we know that supervisord keeps the log.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

STAMP: Final = "%Y%m%dT%H%M%S.%fZ"
_STAMPED: Final = re.compile(r"(?P<live>.+\.log)\.(?P<mark>\d{8}T\d{6}\.\d{6}Z)(?P<packed>\.gz)?")
_NUMBERED: Final = re.compile(r"(?P<live>.+\.log)\.(?P<mark>[1-9]\d{0,8})(?P<packed>)")


@dataclass(frozen=True, slots=True)
class Generation:
    """A rotated file's name, taken apart.

    Attributes:
        live: The live file's name, such as `probes.log`.
        mark: The time of the rotation as it is written, or supervisord's number.
        packed: Whether it is compressed.
    """

    live: str
    mark: str
    packed: bool

    @property
    def numbered(self) -> bool:
        """Whether supervisord numbered it."""
        return self.mark.isdigit()


def generation(name: str, numbered: Collection[str]) -> Generation | None:
    """The generation that a file's name stands for; None if it is none of ours.

    Args:
        name: The file's name, without its folder.
        numbered: The live files that supervisord keeps.
    """
    found = _STAMPED.fullmatch(name)
    if found is None:
        found = _NUMBERED.fullmatch(name)
        if found is None or found["live"] not in numbered:
            return None
    return Generation(found["live"], found["mark"], bool(found["packed"]))


def stamped(live: str, at: float) -> str:
    """The name of the generation that ends at a Unix time."""
    return f"{live}.{datetime.fromtimestamp(at, UTC).strftime(STAMP)}"
