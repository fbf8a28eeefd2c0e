"""How much memory this process has."""

import os
import resource
import sys
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM: Final = Path("/proc/self/statm")
# macOS counts bytes, others kilobytes.
_UNIT: Final = 1 if sys.platform == "darwin" else 1024


def resident_bytes() -> int:
    """What of its memory is in RAM; where the system does not tell, the most that it ever was."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
