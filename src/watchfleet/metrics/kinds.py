"""Which kind a metric is stored as, when what a source says of it is a guess or differs from another's."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, text

from watchfleet.metrics.names import is_storable
from watchfleet.model import Kind, Sample

_ADOPTED: Final = {Kind.COUNTER: {Kind.GAUGE}, Kind.GAUGE: {Kind.COUNTER, Kind.DURATION}}
_ALWAYS: Final = {"scrape_duration_seconds": Kind.DURATION}
"""What Prometheus writes of each scrape has the name of what scrapers report: both are durations."""


def settled(connection: Connection, samples: Sequence[Sample]) -> list[Sample]:
    """Samples with the kind that the store has for their metric, where that means the same.

    A Prometheus tells the type of a metric late or never, and two of its targets may differ in it. An event
    counts something else than a counter, and stays apart.
    """
    kinds = settle(connection, {(sample.name, sample.kind) for sample in samples})
    return [
        sample._replace(kind=kind) if (kind := kinds[sample.name, sample.kind]) is not sample.kind else sample
        for sample in samples
    ]


def settle(connection: Connection, told: Collection[tuple[str, Kind]]) -> dict[tuple[str, Kind], Kind]:
    """For each metric and the kind that a source tells of it, the kind to store it as; see `settled`."""
    known = _known(connection, {name for name, _ in told}) | _ALWAYS
    return {
        (name, kind): known[name] if known.get(name) in _ADOPTED.get(kind, ()) else kind
        for name, kind in told
    }


def _known(connection: Connection, names: Iterable[str]) -> dict[str, Kind]:
    rows = connection.execute(
        text("SELECT name, kind FROM metric WHERE name = ANY(CAST(:names AS text[]))"),
        {"names": [name for name in names if is_storable(name)]},
    )
    return {row.name: Kind(row.kind) for row in rows}
