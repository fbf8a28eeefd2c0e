"""Remarks about a query that has a result: warnings, and things worth knowing."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from watchfleet.promql.errors import Span, position_in
from watchfleet.promql.format import format_short, quote

_DOCUMENTATION = "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile"


class Fall(NamedTuple):
    """Buckets of a histogram fell where they may only rise: from which bound to which, and by how much."""

    lowest: float
    highest: float
    difference: float


@dataclass(slots=True)
class _Forced:
    """All the falls of one metric's histograms, and when they were."""

    span: Span
    fall: Fall
    first: int
    last: int
    count: int = 1


@dataclass(slots=True)
class Annotations:
    """Collects remarks, each once."""

    _warnings: dict[str, Span] = field(default_factory=dict)
    _infos: dict[str, Span] = field(default_factory=dict)
    _forced: dict[str, _Forced] = field(default_factory=dict)

    def warn(self, message: str, span: Span) -> None:
        """Add something that probably makes the result other than meant."""
        self._warnings[f"PromQL warning: {message}"] = span

    def info(self, message: str, span: Span) -> None:
        """Add something that may be meant."""
        self._infos[f"PromQL info: {message}"] = span

    def invalid_quantile(self, value: float, span: Span) -> None:
        """A quantile is not between 0 and 1."""
        self.warn(f"quantile value should be between 0 and 1, got {format_short(value)}", span)

    def forced_monotonicity(self, metric: str, span: Span, at: int, fall: Fall) -> None:
        """The buckets of a histogram fell; one remark per metric.

        Args:
            metric: The metric's name, or nothing.
            span: The argument that holds the buckets.
            at: When, in milliseconds.
            fall: Where, and by how much.
        """
        known = self._forced.get(metric)
        if known is None:
            self._forced[metric] = _Forced(span, fall, at, at)
            return
        known.fall = Fall(
            min(known.fall.lowest, fall.lowest),
            max(known.fall.highest, fall.highest),
            max(known.fall.difference, fall.difference),
        )
        known.first, known.last = min(known.first, at), max(known.last, at)
        known.count += 1

    def render(self, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The warnings and the infos, each with line and column in the expression's text."""
        warnings = tuple(_place(message, span, text) for message, span in self._warnings.items())
        infos = tuple(_place(message, span, text) for message, span in self._infos.items())
        forced = tuple(_place(_describe(name, it), it.span, text) for name, it in self._forced.items())
        return warnings, (*infos, *forced)


def _place(message: str, span: Span, text: str) -> str:
    return "{} ({}:{})".format(message, *position_in(text, span.start))


def _describe(metric: str, forced: _Forced) -> str:
    named = f" for metric name {quote(metric)}" if metric else ""
    first, last = (
        datetime.fromtimestamp(at // 1000, UTC).isoformat().replace("+00:00", "Z")
        for at in (forced.first, forced.last)
    )
    return (
        f"PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see {_DOCUMENTATION})"
        f"{named}, from buckets {format_short(forced.fall.lowest)} to {format_short(forced.fall.highest)}, "
        f"with a max diff of {forced.fall.difference:.2g}, over {forced.count} samples from {first} to {last}"
    )
