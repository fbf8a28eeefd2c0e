"""Intervals out of the errors that were made, and how good intervals are."""

from typing import Final

import numpy as np

from watchfleet.metrics.trends.series import Floats

BINS: Final = 6
"""Parts of the horizon that have errors of their own."""
FEWEST: Final = 10
HAIR: Final = 1e-9
"""What a product may be above a whole number by rounding."""
SAMPLES_PER_ORIGIN: Final = 2
"""The errors of one forecast are alike: however many they are, they count as about two."""


def bins(horizon: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Which part of the horizon each step belongs to."""
    return np.arange(horizon) * min(BINS, horizon) // horizon


def narrowest(errors: Floats, coverage: float, origins: int) -> tuple[float, float]:
    """The narrowest interval that held the wanted share of the errors.

    Split conformal prediction with the usual correction for few samples, by the number of forecasts and not
    of their errors, which are alike. Errors of metrics are skewed, and the narrowest
    interval then is much narrower than the one that leaves as many above as below.

    Sources: Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-free predictive inference for
    regression", JASA 113 (2018); Hyndman, "Computing and graphing highest density regions", The American
    Statistician 50 (1996).

    Args:
        errors: Value less forecast, none of them NaN, at least one.
        coverage: The share wanted.
        origins: How many forecasts the errors are of.
    """
    ordered = np.sort(errors)
    share = min(1.0, coverage * (1 + 1 / (SAMPLES_PER_ORIGIN * origins)))
    held = min(len(ordered), int(np.ceil(share * len(ordered) - HAIR)))
    widths = ordered[held - 1 :] - ordered[: len(ordered) - held + 1]
    best = int(np.argmin(widths))
    return float(ordered[best]), float(ordered[best + held - 1])


def score(errors: Floats, coverages: tuple[float, ...]) -> float:
    """How good the intervals would have been: the interval score, a mean over coverages; less is better.

    It is the width, plus the distance of each value beyond it, weighted so that quantiles are the best.

    Source: Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102
    (2007).
    """
    total = 0.0
    for coverage in coverages:
        low, high = np.quantile(errors, ((1 - coverage) / 2, (1 + coverage) / 2))
        beyond = np.maximum(low - errors, 0) + np.maximum(errors - high, 0)
        total += (high - low) * (1 - coverage) / 2 + float(beyond.mean())
    return total / len(coverages)
