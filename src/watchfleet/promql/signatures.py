"""The functions of PromQL: what each takes and gives."""

from dataclasses import dataclass
from typing import Final, Literal

ValueType = Literal["scalar", "vector", "matrix", "string"]

TYPE_NAMES: Final[dict[ValueType, str]] = {
    "scalar": "scalar",
    "vector": "instant vector",
    "matrix": "range vector",
    "string": "string",
}
"""What people call the types."""

_LETTERS: Final[dict[str, ValueType]] = {"s": "scalar", "v": "vector", "m": "matrix", "t": "string"}


@dataclass(frozen=True, slots=True)
class Function:
    """A function's signature.

    Attributes:
        name: Its name.
        takes: The types of its arguments; the last one's holds for all that `extra` allows.
        returns: The type of its result.
        extra: 0 if each argument must be given; n if the last may be left out or given up to n times;
            -1 if it may be left out or given any number of times.
        experimental: Whether Prometheus wants a feature flag for it. Here it always works.
    """

    name: str
    takes: tuple[ValueType, ...]
    returns: ValueType = "vector"
    extra: int = 0
    experimental: bool = False


def _functions(names: str, takes: str, *, returns: str = "v", extra: int = 0) -> dict[str, Function]:
    types = tuple(_LETTERS[letter] for letter in takes)
    return {
        name.rstrip("!"): Function(name.rstrip("!"), types, _LETTERS[returns], extra, name.endswith("!"))
        for name in names.split()
    }


FUNCTIONS: Final[dict[str, Function]] = {
    **_functions(
        "abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor histogram_avg "
        "histogram_count histogram_stddev histogram_stdvar histogram_sum ln log10 log2 rad sgn sin sinh "
        "sort sort_desc sqrt tan tanh timestamp",
        "v",
    ),
    **_functions(
        "absent_over_time avg_over_time changes count_over_time delta deriv first_over_time! idelta "
        "increase irate last_over_time mad_over_time! max_over_time min_over_time present_over_time rate "
        "resets stddev_over_time stdvar_over_time sum_over_time ts_of_first_over_time! "
        "ts_of_last_over_time! ts_of_max_over_time! ts_of_min_over_time!",
        "m",
    ),
    **_functions("day_of_month day_of_week day_of_year days_in_month hour minute month year", "v", extra=1),
    **_functions("clamp", "vss"),
    **_functions("clamp_max clamp_min", "vs"),
    **_functions("double_exponential_smoothing!", "mss"),
    **_functions("histogram_fraction", "ssv"),
    **_functions("histogram_quantile", "sv"),
    **_functions("histogram_quantiles!", "vtss", extra=9),
    **_functions("info!", "vv", extra=1),
    **_functions("label_join", "vttt", extra=-1),
    **_functions("label_replace", "vtttt"),
    **_functions("max_of! min_of!", "ss", returns="s"),
    **_functions("end! pi range! start! step! time", "", returns="s"),
    **_functions("predict_linear", "ms"),
    **_functions("quantile_over_time", "sm"),
    **_functions("round", "vs", extra=1),
    **_functions("scalar", "v", returns="s"),
    **_functions("sort_by_label! sort_by_label_desc!", "vt", extra=-1),
    **_functions("vector", "s"),
}

AGGREGATIONS: Final = frozenset({
    "avg", "bottomk", "count", "count_values", "group", "limit_ratio", "limitk", "max", "min", "quantile",
    "stddev", "stdvar", "sum", "topk",
})  # fmt: skip
PARAMETER_TYPES: Final[dict[str, ValueType]] = {
    "bottomk": "scalar",
    "count_values": "string",
    "limit_ratio": "scalar",
    "limitk": "scalar",
    "quantile": "scalar",
    "topk": "scalar",
}
"""The aggregations that take a parameter before the vector, and its type."""

RENAMED: Final = {"holt_winters": "double_exponential_smoothing"}
"""Functions of older Prometheus that have another name since version 3."""
