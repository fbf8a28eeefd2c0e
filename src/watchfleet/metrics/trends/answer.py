"""The answer to a question about a metric's trends, as the command line and the API give it to programs."""

from typing import Any

from watchfleet.metrics.trends.report import as_json
from watchfleet.metrics.trends.store import Found, Question


def facts(question: Question, found: Found) -> dict[str, Any]:
    """As JSON: the metric's name, its series with all that is known, and how many were left off."""
    series = [
        {"labels": one.labels, "kind": one.kind, "unit": one.unit, "source": one.source} | as_json(one.trend)
        for one in found.series
    ]
    return {"name": question.name, "series": series, "left_off": found.left_off}
