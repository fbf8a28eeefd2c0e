"""Where a series is going, whatever outliers it has: a slope, how sure it is, and whether there is one."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from watchfleet.metrics.trends.outcome import Reason, Unknown
from watchfleet.metrics.trends.series import Floats, medians

FEWEST: Final = 8
MOST: Final = 500
"""Pairs grow with the square: a longer series is thinned to the medians of that many buckets."""
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Slope:
    """The trend of a series.

    Attributes:
        per_second: The median of the slopes of all pairs of points.
        low: The lower bound of its confidence interval.
        high: The upper bound.
        confidence: Of the interval.
        level: The line's value at the last time.
        at: The last time, in Unix seconds.
        p_value: How often a series without a trend, with as much memory as this one, looks as if it had one.
        points: How many points it rests on, after thinning.
    """

    per_second: float
    low: float
    high: float
    confidence: float
    level: float
    at: float
    p_value: float
    points: int

    @property
    def is_significant(self) -> bool:
        """Whether the series rises or falls, at the level of confidence."""
        return self.p_value < 1 - self.confidence and self.low * self.high > 0


def fit(times: Floats, values: Floats, confidence: float = 0.95) -> Slope | Unknown:
    """The slope by Theil and Sen, with Sen's confidence interval and the test of Mann and Kendall.

    Both rest on the variance of Kendall's S. It is corrected for ties and, since neighbouring values of a
    metric resemble each other, for the autocorrelation of the ranks that the line leaves over.

    Sources: Theil (1950); Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63
    (1968); Mann (1945); Kendall (1975); Hamed and Rao, "A modified Mann-Kendall trend test for
    autocorrelated data", J. Hydrology 204 (1998); lags are summed up to the first that is not positive,
    after Geyer, "Practical Markov chain Monte Carlo", Stat. Sci. 7 (1992).

    Args:
        times: Unix seconds.
        values: The value at each.
        confidence: Between 0 and 1.

    Returns:
        The slope; `too_few_points` below 8 distinct times.
    """
    times, values = medians(times, values, MOST)
    if len(times) < FEWEST:
        return Unknown(Reason.TOO_FEW_POINTS)
    slopes, score = _pairs(times, values)
    slope = float(np.median(slopes))
    rest = values - slope * (times - times[-1])
    deviation = sqrt(_variance(values) * _inflation(rest))
    low, high = _interval(slopes, deviation, confidence)
    p_value = _p_value(score, deviation)
    level = float(np.median(rest))
    return Slope(slope, low, high, confidence, level, float(times[-1]), p_value, len(times))


def _pairs(times: Floats, values: Floats) -> tuple[Floats, int]:
    """The slopes of all pairs, in ascending order, and how many more of them rise than fall."""
    earlier, later = np.triu_indices(len(times), 1)
    rises = values[later] - values[earlier]
    return np.sort(rises / (times[later] - times[earlier])), int(np.sign(rises).sum())


def _variance(values: Floats) -> float:
    """Of Kendall's S under independence, with ties."""
    n = len(values)
    _, ties = np.unique(values, return_counts=True)
    total = n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()
    return float(max(total, 0)) / 18


def _inflation(rest: Floats) -> float:
    """By how much autocorrelation raises the variance of S (Hamed and Rao, equation 21)."""
    n = len(rest)
    correlations = autocorrelation(_ranks(rest), n // 2)
    ends = np.flatnonzero(correlations <= 0)
    summed = correlations[: ends[0] if len(ends) else len(correlations)]
    left = n - np.arange(1.0, len(summed) + 1)
    weights = left * (left - 1) * (left - 2)
    return 1 + 2 * float((weights * summed).sum()) / (n * (n - 1) * (n - 2))


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles: Floats = np.cumsum(counts) - (counts - 1) / 2
    return middles[place]


def autocorrelation(values: Floats, lags: int) -> Floats:
    """The autocorrelation at the lags 1 ... `lags`; NaN values are left out; all zero for a constant."""
    known = np.isfinite(values)
    if not known.any() or np.ptp(values[known]) == 0:
        return np.zeros(lags)
    centred = np.where(known, values - values[known].mean(), 0.0)
    centred /= np.abs(centred).max()
    size = 2 * len(values)
    products = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2, size)
    overlaps = np.fft.irfft(np.abs(np.fft.rfft(known.astype(float), size)) ** 2, size)
    # With few gaps the usual estimate, divided by all points, so that long lags weigh little.
    scale = known.sum() / np.maximum(overlaps, 0.5) * (1 - np.arange(size) / len(values))
    found: Floats = (products * scale)[1 : lags + 1] / products[0]
    return np.nan_to_num(found)


def _interval(slopes: Floats, deviation: float, confidence: float) -> tuple[float, float]:
    """Sen's interval: as many ranks to either side of the median as S varies."""
    reach = _NORMAL.inv_cdf((1 + confidence) / 2) * deviation
    last = len(slopes) - 1
    low = round((len(slopes) - reach) / 2)
    high = round((len(slopes) + reach) / 2)
    return float(slopes[min(max(low, 0), last)]), float(slopes[min(max(high, 0), last)])


def _p_value(score: int, deviation: float) -> float:
    if not score or not deviation:
        return 1.0
    return 2 * (1 - _NORMAL.cdf((abs(score) - 1) / deviation))
