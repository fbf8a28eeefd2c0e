"""Where metrics are going: slopes, changes, steps, seasons, expectations, forecasts, times until a threshold.

Pure functions over arrays of Unix seconds and values. Whatever the series looks like, they answer, or say by
a named reason why they cannot (`Unknown`). `store` reads the series.
"""

from watchfleet.metrics.trends.compare import Change, with_before, with_past_weeks
from watchfleet.metrics.trends.forecast import Forecast, Interval, forecast
from watchfleet.metrics.trends.outcome import Reason, Unknown
from watchfleet.metrics.trends.report import Trend, as_json, describe
from watchfleet.metrics.trends.season import Band, expectation, periods
from watchfleet.metrics.trends.series import Grid, to_grid
from watchfleet.metrics.trends.slope import Slope, fit
from watchfleet.metrics.trends.steps import Step, find
from watchfleet.metrics.trends.threshold import Outcome, Until, time_until

__all__ = [
    "Band",
    "Change",
    "Forecast",
    "Grid",
    "Interval",
    "Outcome",
    "Reason",
    "Slope",
    "Step",
    "Trend",
    "Unknown",
    "Until",
    "as_json",
    "describe",
    "expectation",
    "find",
    "fit",
    "forecast",
    "periods",
    "time_until",
    "to_grid",
    "with_before",
    "with_past_weeks",
]
