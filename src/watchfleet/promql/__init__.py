"""PromQL as Prometheus 3.14 has it: expressions, evaluated over any series.

```python
series = promql.MemorySeries()
series.append({"__name__": "up", "job": "api"}, [0, 15_000], [1, 0])
promql.instant(series, 'sum by (job) (up)', at=15)
```

Everything that Prometheus keeps behind feature flags works: experimental functions, `fill`, duration
expressions, `anchored` and `smoothed`, and metric names that go only when a query is done. Native histograms
do not exist here: functions on them find nothing.
"""

from watchfleet.promql.errors import ParseError, QueryError, QueryLimitError, QueryTimeoutError
from watchfleet.promql.limits import Limits, Options
from watchfleet.promql.query import Expression, Prefetched, instant, parse, plan, range_
from watchfleet.promql.series import SeriesSet
from watchfleet.promql.source import STALE, Columns, Fetch, MemorySeries, SeriesSource
from watchfleet.promql.values import Matrix, Sample, Scalar, Series, String, Value, Vector

__all__ = [
    "STALE",
    "Columns",
    "Expression",
    "Fetch",
    "Limits",
    "Matrix",
    "MemorySeries",
    "Options",
    "ParseError",
    "Prefetched",
    "QueryError",
    "QueryLimitError",
    "QueryTimeoutError",
    "Sample",
    "Scalar",
    "Series",
    "SeriesSet",
    "SeriesSource",
    "String",
    "Value",
    "Vector",
    "instant",
    "parse",
    "plan",
    "range_",
]
