"""Rules on a real store: groups out of a text, samples for them, and what their evaluations change."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from support.policies import policy_for

from watchfleet.db.engine import transaction
from watchfleet.db.tables import alert, alert_event
from watchfleet.metrics.ingest import STALE, write_samples
from watchfleet.model import Kind, Sample
from watchfleet.rules.files import parse_rules
from watchfleet.rules.group import Due, Evaluation
from watchfleet.rules.prepared import Override, PreparedGroup, prepare
from watchfleet.rules.together import evaluate_groups

# On the grid of intervals, so that a replay on the grid sees what the live run saw.
START = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=40)
LOG = ("log",)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def group_of(
    rules: str,
    interval: str = "15s",
    options: str = "",
    overrides: Mapping[str, Override] | None = None,
    name: str = "test",
) -> PreparedGroup:
    """One group of these rules, written as under `rules:`."""
    lines = "\n".join(f"      {line}" for line in rules.strip("\n").splitlines())
    text = f"groups:\n  - name: {name}\n    interval: {interval}\n{options}    rules:\n{lines}\n"
    loaded = parse_rules(text, Path("test.yml"))
    assert loaded.problems == ()
    return prepare(loaded.file.groups[0], "test.yml", overrides or {}, {})


def put(
    name: str,
    values: Mapping[float, float | None] | Sequence[tuple[float, float | None]],
    kind: Kind = Kind.GAUGE,
    **labels: str,
) -> None:
    """Write samples of a series by their second; None ends it there."""
    pairs = list(values.items() if isinstance(values, Mapping) else values)
    samples = [
        Sample(name, labels, kind, at(second).timestamp(), STALE if value is None else value)
        for second, value in pairs
    ]
    with transaction() as connection:
        write_samples(connection, f"{name}:{labels}:{pairs[0]}:{len(pairs)}", samples, datetime.now(UTC))


def steady(name: str, value: float, start: float, end: float, step: float = 15, **labels: str) -> None:
    """Write one value from a second to another, every `step`."""
    seconds = [start + step * place for place in range(int((end - start) / step) + 1)]
    put(name, [(second, value) for second in seconds], **labels)


def evaluate_group(connection: Connection, due: Due, channels: Sequence[str] = LOG) -> Evaluation | None:
    """Evaluate one group; None if it has been evaluated at that time or later already."""
    return evaluate_groups(connection, [due], policy_for(channels)).get(due.group.key)


def run(group: PreparedGroup, seconds: float, channels: Sequence[str] = LOG, **due: Any) -> Evaluation | None:
    with transaction() as connection:
        return evaluate_group(connection, Due(group, at(seconds), **due), channels)


def steps(evaluation: Evaluation | None) -> list[tuple[str, str, str]]:
    """From which state to which, and why, of each transition."""
    assert evaluation is not None
    return [(str(each.before), str(each.after), str(each.reason)) for each in evaluation.transitions]


def play(group: PreparedGroup, seconds: Sequence[float]) -> list[tuple[float, str, str, str]]:
    """Evaluate at each second; returns every transition with its second."""
    return [(second, *step) for second in seconds for step in steps(run(group, second))]


def events() -> list[tuple[float, str, str, str]]:
    """Every event in the store: when, of which alert, to which state, why."""
    query = select(alert_event, alert.c.labels).join(alert, alert.c.id == alert_event.c.alert_id)
    with transaction() as connection:
        rows = connection.execute(query.order_by(alert_event.c.id)).all()
    return [
        ((row.at - START).total_seconds(), row.labels["alertname"], row.to_state, row.reason) for row in rows
    ]
