"""What an evaluation writes back as samples: recorded series, `ALERTS`, and how long it took."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from sqlalchemy import Connection, text

from watchfleet.metrics.batches import identity
from watchfleet.metrics.ingest import write_samples
from watchfleet.metrics.series import resolve
from watchfleet.model import AlertState, Kind, Sample
from watchfleet.probes.scrape.record import ends
from watchfleet.promql.labels import NAME
from watchfleet.promql.recent import recent
from watchfleet.rules.plan import Alert

EVALUATION: Final = "watchfleet_rule_group_evaluation_seconds"
"""The metric of how long each evaluation of a group took; its samples tell when there was one."""

_ACTIVE: Final = (AlertState.PENDING, AlertState.FIRING)
_LAST: Final = text("SELECT rule, series FROM rule_output WHERE rule = ANY(:rules)")
_SAVE: Final = text(
    "INSERT INTO rule_output (rule, series)"
    " SELECT * FROM unnest(CAST(:rules AS text[]), CAST(:series AS bytea[]))"
    " ON CONFLICT (rule) DO UPDATE SET series = excluded.series"
)
_DROP: Final = text("DELETE FROM rule_output WHERE rule = ANY(:rules)")

Recorded = Sequence[tuple[Mapping[str, str], float]]
"""Series with `__name__` among their labels, and the value of each."""


class Output(NamedTuple):
    """What a rule gives.

    Attributes:
        at: The samples' time, in Unix seconds.
        samples: The samples; none are an end of those that it gave last time.
    """

    at: float
    samples: Sequence[Sample]


def of_alerts(alerts: Iterable[Alert], at: float) -> Iterator[Sample]:
    """The two series of each active alert: that it is, and since when."""
    for alert in alerts:
        standing = alert.standing
        if standing.state in _ACTIVE and standing.active_at is not None:
            labels = dict(alert.labels)
            yield Sample("ALERTS", {**labels, "alertstate": str(standing.state)}, Kind.GAUGE, at, 1.0)
            yield Sample("ALERTS_FOR_STATE", labels, Kind.GAUGE, at, standing.active_at.timestamp())


def of_records(recorded: Recorded, at: float) -> Iterator[Sample]:
    """The samples of a recording rule."""
    for labels, value in recorded:
        others = {name: text for name, text in labels.items() if name != NAME}
        yield Sample(labels[NAME], others, Kind.GAUGE, at, value)


def of_duration(group: str, at: datetime, seconds: float) -> Sample:
    """How long an evaluation took, and by its time that there was one."""
    return Sample(EVALUATION, {"rule_group": group}, Kind.GAUGE, at.timestamp(), seconds)


def write(connection: Connection, batch: str, outputs: Mapping[str, Output], now: datetime) -> int:
    """Write what rules give, with the ends of the series that they gave last time and do not now.

    Args:
        connection: The evaluation's transaction.
        batch: The id of the batch that these samples are.
        outputs: What each rule gives, by its key; a rule that failed is not among them.
        now: The present.

    Returns:
        How many samples were written.
    """
    last = _last(connection, outputs)
    samples = [sample for each in outputs.values() for sample in each.samples]
    if not samples and not last:
        return 0
    ids = resolve(connection, [[one.name, one.labels, str(one.kind)] for one in samples]).ids
    starts = np.cumsum([0, *(len(each.samples) for each in outputs.values())]).tolist()
    given = {
        rule: np.unique(ids[start:end][ids[start:end] >= 0])
        for rule, start, end in zip(outputs, starts, starts[1:], strict=False)
    }
    everything = np.unique(np.concatenate(list(given.values()))) if given else ids
    ended = [(outputs[rule].at, np.setdiff1d(series, everything)) for rule, series in last.items()]
    ending = ends(connection, ended)
    written = write_samples(connection, batch, [*samples, *ending], now)
    if not ending and not written.duplicate:
        recent(connection.engine).wrote(connection, identity(batch), everything)
    _remember(connection, last, given)
    return written.accepted


def _last(connection: Connection, rules: Iterable[str]) -> dict[str, "np.typing.NDArray[np.int64]"]:
    rows = connection.execute(_LAST, {"rules": list(rules)})
    return {row.rule: np.frombuffer(bytes(row.series), "<i4").astype(np.int64) for row in rows}


def _remember(
    connection: Connection,
    last: Mapping[str, "np.typing.NDArray[np.int64]"],
    given: Mapping[str, "np.typing.NDArray[np.int64]"],
) -> None:
    changed = {
        rule: series
        for rule, series in given.items()
        if len(series) and (rule not in last or not np.array_equal(last[rule], series))
    }
    if changed:
        packed = [series.astype("<i4").tobytes() for series in changed.values()]
        connection.execute(_SAVE, {"rules": list(changed), "series": packed})
    empty = [rule for rule in last if not len(given[rule])]
    if empty:
        connection.execute(_DROP, {"rules": empty})
