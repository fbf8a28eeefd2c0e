"""Parts of dates, in UTC, out of Unix seconds."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from watchfleet.promql.series import Floats

_FARTHEST: Final = 1e14
"""Seconds: some three million years; beyond, and for NaN, there is no date."""

_Dates = npt.NDArray[np.datetime64[Any]]


def part_of_date(name: str, seconds: Floats) -> Floats:
    """A part of each date.

    Args:
        name: The function's name, such as `day_of_week`.
        seconds: Unix seconds; fractions are cut off.

    Returns:
        The part as a number; NaN where there is no such date.
    """
    there = np.abs(seconds) < _FARTHEST
    whole = np.trunc(np.where(there, seconds, 0)).astype(np.int64)
    part = PARTS[name](whole.astype("datetime64[s]"))
    return np.where(there, part, np.nan)


def _since(dates: _Dates, unit: str, within: str) -> npt.NDArray[np.int64]:
    """How many whole units have passed since the beginning of the larger unit."""
    fine = dates.astype(f"datetime64[{unit}]")
    start = dates.astype(f"datetime64[{within}]").astype(f"datetime64[{unit}]")
    passed: npt.NDArray[np.int64] = (fine - start).astype(np.int64)
    return passed


def _days_in_month(dates: _Dates) -> npt.NDArray[np.int64]:
    month = dates.astype("datetime64[M]")
    first, next_first = (
        month.astype("datetime64[D]"),
        (month + np.timedelta64(1, "M")).astype("datetime64[D]"),
    )
    days: npt.NDArray[np.int64] = (next_first - first).astype(np.int64)
    return days


PARTS: Final[dict[str, Callable[[_Dates], npt.NDArray[np.int64]]]] = {
    "day_of_month": lambda dates: _since(dates, "D", "M") + 1,
    "day_of_week": lambda dates: (dates.astype("datetime64[D]").astype(np.int64) + 4) % 7,
    "day_of_year": lambda dates: _since(dates, "D", "Y") + 1,
    "days_in_month": _days_in_month,
    "hour": lambda dates: _since(dates, "h", "D"),
    "minute": lambda dates: _since(dates, "m", "h"),
    "month": lambda dates: _since(dates, "M", "Y") + 1,
    "year": lambda dates: dates.astype("datetime64[Y]").astype(np.int64) + 1970,
}
