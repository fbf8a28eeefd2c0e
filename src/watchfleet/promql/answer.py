"""A query's answer in the form of Prometheus's HTTP API."""

from typing import Any

from watchfleet.promql.format import format_json_value
from watchfleet.promql.values import Matrix, Scalar, String, Value, Vector

Point = tuple[float, str]


def facts(value: Value) -> dict[str, Any]:
    """`resultType` and `result`: times in Unix seconds, values as text."""
    match value:
        case Vector():
            found = [{"metric": one.labels, "value": point(value.at, one.value)} for one in value]
            return {"resultType": "vector", "result": found}
        case Matrix():
            return {"resultType": "matrix", "result": [_series(one.labels, *_lists(one)) for one in value]}
        case Scalar():
            return {"resultType": "scalar", "result": point(value.at, value.value)}
        case String():
            return {"resultType": "string", "result": (seconds(value.at), value.value)}


def point(at: int, value: float) -> Point:
    """One value at a time in milliseconds of Unix time."""
    return seconds(at), format_json_value(value)


def seconds(at: int) -> float:
    """Milliseconds as seconds, whole ones without a fraction."""
    return at // 1000 if at % 1000 == 0 else at / 1000


def _lists(one: Any) -> tuple[list[int], list[float]]:
    return one.timestamps.tolist(), one.values.tolist()


def _series(labels: Any, times: list[int], values: list[float]) -> dict[str, Any]:
    return {"metric": labels, "values": list(map(point, times, values))}
