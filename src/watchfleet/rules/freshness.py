"""Whether series still get samples: what a window still holds of one that stopped proves nothing."""

from typing import Final

import numpy as np

from watchfleet.promql import Columns
from watchfleet.promql.series import Bools
from watchfleet.promql.source import is_stale

PATIENCE: Final = 3
"""How many times longer than between its samples so far a series may be silent."""


def has_data(columns: Columns, window: int) -> bool:
    """Whether a selector gives anything.

    Args:
        columns: The samples that it may choose from.
        window: Its range in milliseconds; 0 if it takes the last sample, which must not end its series.
    """
    if window:
        return bool(len(columns.values)) and not bool(is_stale(columns.values).all())
    starts, ends = columns.offsets[:-1], columns.offsets[1:]
    last = columns.values[ends[ends > starts] - 1]
    return bool(len(last)) and not bool(is_stale(last).all())


def stopped(columns: Columns, end: int) -> Bools:
    """Which series have ended, or are silent for much longer than their samples are apart.

    Of a single sample nobody can say; neither of a series without any.

    Args:
        columns: The samples up to `end`.
        end: When that is, in milliseconds of Unix time.
    """
    starts, ends = columns.offsets[:-1], columns.offsets[1:]
    counts = ends - starts
    found = np.zeros(len(counts), np.bool_)
    some = np.flatnonzero(counts)
    first, last = columns.timestamps[starts[some]], columns.timestamps[ends[some] - 1]
    apart = (last - first) / np.maximum(counts[some] - 1, 1)
    silent = (counts[some] > 1) & (end - last > PATIENCE * apart)
    found[some] = silent | is_stale(columns.values[ends[some] - 1])
    return found
