"""Random PromQL over a known set of series, and that set."""

from collections.abc import Iterator
from random import Random

START = 1_700_000_000
"""When the first samples are, in Unix seconds."""
SPAN = 3600
"""Seconds that the series cover."""

Labels = dict[str, str]
Points = list[tuple[int, float]]

_REGIONS = ("eu", "us")
_JOBS = ("api", "db")
_RANGES = ("2m", "5m", "7m30s", "20m")
_FUNCTIONS = (
    "abs({})", "ceil({})", "floor({})", "exp({})", "sqrt({})", "ln({})", "log2({})", "log10({})",
    "sgn({})", "asin({})", "acos({})", "atan({})", "sinh({})", "cosh({})", "tanh({})", "deg({})", "rad({})",
    "timestamp({})", "sort({})", "sort_desc({})", "absent({})", "round({})", "round({}, 0.1)", "round({}, 5)",
    "clamp({}, -1, 10)", "clamp({}, 5, 1)", "clamp({}, (0 / 0), 5)", "clamp_min({}, 3.7)",
    "clamp_max({}, 1e3)", "clamp_max({}, (1 / 0))", "-({})", "+({})",
)  # fmt: skip
_OF_ANGLES = ("sin({})", "cos({})", "tan({})")
_OF_DATES = (
    "minute({})", "hour({})", "day_of_week({})", "day_of_month({})", "days_in_month({})", "month({})",
    "year({})",
)  # fmt: skip
_OVER_TIME = (
    "delta({})", "irate({})", "idelta({})", "changes({})", "resets({})", "deriv({})", "avg_over_time({})",
    "sum_over_time({})", "min_over_time({})", "max_over_time({})", "count_over_time({})",
    "stddev_over_time({})", "stdvar_over_time({})", "last_over_time({})", "present_over_time({})",
    "absent_over_time({})",
    "quantile_over_time(0.5, {})", "quantile_over_time(0, {})", "quantile_over_time(0.93, {})",
    "quantile_over_time(-1, {})", "quantile_over_time(2, {})", "double_exponential_smoothing({}, 0.3, 0.6)",
)  # fmt: skip
_PREDICTIONS = ("predict_linear({}, 60)", "predict_linear({}, 3600)", "predict_linear({}, -10)")
_AGGREGATIONS = (
    "sum{} ({})", "avg{} ({})", "min{} ({})", "max{} ({})", "count{} ({})", "group{} ({})",
    "quantile{} (0.5, {})",
    "quantile{} (0.9, {})", "quantile{} (0, {})", "quantile{} (1.5, {})",
    'count_values{} ("value", round({}))',
)  # fmt: skip
_OF_FINITE = ("stddev{} ({})", "stdvar{} ({})")
_OF_DISTINCT = (
    "topk{} (1, {})",
    "topk{} (2, {})",
    "bottomk{} (1, {})",
    "bottomk{} (100, {})",
    "topk{} (0, {})",
)
_GROUPS = (
    "",
    " by (job)",
    " by (job, region)",
    " without (instance)",
    " by ()",
    " without ()",
    " by (missing)",
)
_BOUNDS = ("0.1", "0.5", "1", "+Inf")


def series(random: Random) -> Iterator[tuple[str, Labels, Points]]:
    """Counters with resets, gauges with gaps, NaN, infinities, histograms; times are never whole seconds."""
    for job in _JOBS:
        for region in _REGIONS:
            for instance in "12":
                labels = {"job": job, "region": region, "instance": instance}
                yield "requests_total", labels, _counter(random)
                yield "temperature", labels, _gauge(random)
            yield "limit", {"job": job, "region": region}, _gauge(random)
            for bound, points in zip(_BOUNDS, _buckets(random), strict=True):
                yield "latency_bucket", {"job": job, "region": region, "le": bound}, points
    yield "sparse", {"job": "api"}, [point for point in _gauge(random) if random.random() < 0.3]
    yield "odd", {"job": "api", "kind": "nan"}, _odd(random, float("nan"))
    yield "odd", {"job": "db", "kind": "inf"}, _odd(random, float("inf"))
    yield "build_info", {"job": "api", "version": "1.2.3"}, [(ts, 1.0) for ts in _times(random)]


def _times(random: Random) -> list[int]:
    """Milliseconds, about every 15 s, never whole seconds, so that no edge of a window meets a sample."""
    shift = random.randrange(15) * 1000
    return [START * 1000 + shift + 15_000 * n + random.randrange(1, 400) for n in range(SPAN // 15)]


def _counter(random: Random) -> Points:
    value, points = random.uniform(1e5, 2e5), []
    for ts in _times(random):
        value = random.uniform(1e5, 2e5) if random.random() < 0.01 else value + random.uniform(0, 100)
        points.append((ts, value))
    return points


def _gauge(random: Random) -> Points:
    return [(ts, random.uniform(-50, 100)) for ts in _times(random) if random.random() < 0.95]


def _odd(random: Random, value: float) -> Points:
    return [(ts, value if random.random() < 0.2 else random.uniform(0, 10)) for ts in _times(random)]


def _buckets(random: Random) -> list[Points]:
    times = _times(random)
    rows: list[Points] = [[] for _ in _BOUNDS]
    totals = [1e5 * (place + 1) for place in range(len(_BOUNDS))]
    for ts in times:
        added = 0.0
        for place, row in enumerate(rows):
            added += random.randrange(20)
            totals[place] += added
            row.append((ts, totals[place]))
    return rows


class Expressions:
    """Makes expressions that Prometheus 2.42 and 3.14 answer alike.

    Left out is what they do not share: functions of one only, metrics told apart by name alone (2.42 drops
    the name at once, 3.14 at last), and edges of windows that meet samples (2.42 counts the older edge in).
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def make(self) -> str:
        """One expression."""
        return self._scalar(2) if self._random.random() < 0.05 else self._vector(3)

    def _vector(self, depth: int) -> str:
        kinds = [self._selector, self._over_range]
        if depth:
            kinds += [self._function, self._function, self._aggregate, self._aggregate, self._operator]
            kinds += [self._operator, self._match, self._match, self._labels, self._histogram, self._subquery]
        return self._random.choice(kinds)(depth - 1)

    def _one_of(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _number(self) -> str:
        return self._one_of("0", "1", "2", "-1", "0.5", "10", "1e3", "3.7", "(1 / 0)", "(0 / 0)")

    def _scalar(self, depth: int) -> str:
        if not depth or self._random.random() < 0.4:
            return self._number()
        inner = self._scalar(depth - 1)
        return self._one_of(
            f"({inner} {self._one_of('+', '-', '*', '/', '%', '^')} {self._scalar(depth - 1)})",
            f"({inner} {self._comparison()} bool {self._scalar(depth - 1)})",
            f"({inner} atan2 {self._scalar(depth - 1)})",
            f"scalar({self._aggregate(0)})",
            "time()",
            "pi()",
        )

    def _comparison(self) -> str:
        return self._one_of("==", "!=", ">", "<", ">=", "<=")

    def _matchers(self) -> str:
        return self._one_of(
            "",
            "",
            '{job="api"}',
            '{job!="api"}',
            '{region=~"e.*"}',
            '{region!~"e.*|nothing"}',
            '{job=~"api|db",region="us"}',
            '{absent=""}',
            '{job="nowhere"}',
        )

    def _modifier(self) -> str:
        at = START + SPAN // 2 + 0.5
        return self._one_of(
            "", "", "", " offset 3m", " offset -2m", f" @ {at}", f" @ {at} offset 1m", " @ end()"
        )

    def _metric(self) -> str:
        return self._one_of("requests_total", "temperature", "limit", "sparse", "odd", "latency_bucket")

    def _selector(self, _depth: int) -> str:
        return self._metric() + self._matchers() + self._modifier()

    def _over_range(self, _depth: int) -> str:
        where = f"{self._matchers()}[{self._one_of(*_RANGES)}]{self._modifier()}"
        if self._random.random() < 0.2:  # of gauges, which may fall below zero, 2.42 takes another rate
            counter = self._one_of("requests_total", "latency_bucket")
            return f"{self._one_of('rate', 'increase')}({counter}{where})"
        return self._over(self._metric() + where)

    def _over(self, window: str) -> str:
        if self._random.random() < 0.1 and "odd" not in window:  # of infinity 2.42 makes NaN
            inner, bracket, modifier = window.rpartition("]")
            fixed = modifier.partition(" @ ")[0]  # 2.42 loses all times but the first of a range query
            return self._one_of(*_PREDICTIONS).format(f"{inner}{bracket}{fixed}")
        return self._one_of(*_OVER_TIME).format(window)

    def _subquery(self, depth: int) -> str:
        inner = self._vector(min(depth, 1))
        # Where two subqueries one in the other begin at once, 2.42 loses the time that `@` fixes.
        width = f"{self._random.randrange(2, 12)}m{self._random.randrange(1, 60)}s"
        step = self._one_of("30s", "1m", "")
        return self._over(f"({inner})[{width}:{step}]{self._modifier()}")

    def _function(self, depth: int) -> str:
        if self._random.random() < 0.05:
            return f"vector({self._scalar(2)})"
        template, vector = self._one_of(*_FUNCTIONS, *_OF_ANGLES, *_OF_DATES), self._vector(depth)
        if template in _OF_DATES:
            vector = self._finite(vector)
        if template in _OF_ANGLES:
            vector = f"clamp({vector}, -50, 50)"  # the last bit of a large angle turns the result around
        return template.format(vector)

    def _aggregate(self, depth: int) -> str:
        template = self._one_of(*_AGGREGATIONS, *_OF_FINITE, *_OF_DISTINCT)
        vector = self._distinct() if template in _OF_DISTINCT else self._vector(max(depth, 0))
        if template in _OF_FINITE:
            vector = self._finite(vector)
        return template.format(self._one_of(*_GROUPS), vector)

    def _finite(self, vector: str) -> str:
        """Without NaN and infinities: 2.42 has no deviation of one such series, dates of them are chance."""
        return f"((({vector}) > -1e15) < 1e15)"

    def _distinct(self) -> str:
        """A vector whose values differ: which of two equal ones is picked is chance."""
        metric = self._one_of("requests_total", "temperature", "limit") + self._matchers()
        return self._one_of(metric, f"avg_over_time({metric}[5m])", f"deriv({metric}[20m] offset 1m)")

    def _operator(self, depth: int) -> str:
        vector, scalar = self._vector(depth), self._scalar(1)
        op = self._one_of("+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=")
        if op in {"==", "!=", ">", "<", ">=", "<="}:
            op += self._one_of("", " bool")
        return self._one_of(f"({vector} {op} {scalar})", f"({scalar} {op} {vector})", f"-({vector})")

    def _match(self, depth: int) -> str:
        left, right = self._vector(depth), self._vector(depth)
        op = self._one_of("+", "-", "*", "/", "> bool", "== bool", "and", "or", "unless")
        how = self._one_of("", " on (job, region)", " ignoring (instance)", " on (job)", " on ()")
        if op in {"and", "or", "unless"} or not how:
            return f"({left} {op}{how} {right})"
        group = self._one_of("", " group_left ()", " group_right ()", " group_left (kind)")
        return f"({left} {op}{how}{group} {right})"

    def _labels(self, depth: int) -> str:
        vector = self._vector(depth)
        return self._one_of(
            f'label_replace({vector}, "where", "$1-x", "region", "(.).*")',
            f'label_replace({vector}, "job", "", "", "")',
            f'label_join({vector}, "both", "/", "job", "region")',
        )

    def _histogram(self, _depth: int) -> str:
        buckets = self._one_of(
            "latency_bucket", "rate(latency_bucket[5m])", "sum by (le, job) (latency_bucket)"
        )
        return f"histogram_quantile({self._one_of('0.5', '0.9', '0', '1', '0.01', '-1')}, {buckets})"
