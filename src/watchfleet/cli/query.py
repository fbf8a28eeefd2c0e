"""`watchfleet query`: what an expression comes to, over the samples in the store."""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape

from watchfleet import promql
from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import parse_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.promql.answer import facts
from watchfleet.promql.format import format_value
from watchfleet.promql.labels import format_labels, labels_of, value_of, without_metadata
from watchfleet.promql.store import StoreSeries

_POINTS: Final = 30
"""How many times a range has that names no step: a screenful."""


def _instant(given: str) -> datetime:
    """An instant as Unix seconds, in RFC 3339, or as how long ago it was."""
    try:
        found = _absolute(given)
        return utcnow() - parse_duration(given) if found is None else found
    except (ValueError, OverflowError, OSError) as error:
        cause = f"{given!r} is no time; write it like 2026-11-23T12:00:00Z, 1795435200 or 1h (that long ago)"
        raise click.BadParameter(cause) from error


def _absolute(given: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(given), UTC)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _step(given: str) -> timedelta:
    try:
        found = parse_duration(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if found < timedelta(milliseconds=1):
        raise click.BadParameter("must be at least 1ms; write it like 15s or 5m")
    return found


@click.command()
@click.argument("expression", metavar="EXPR")
@click.option("--at", type=_instant, metavar="TIME", help="The instant to evaluate it at; by default now.")
@click.option("--from", "start", type=_instant, metavar="TIME", help="The first time of a range.")
@click.option("--to", "end", type=_instant, metavar="TIME", help="The last one; by default now.")
@click.option("--step", type=_step, metavar="DURATION", help="From one time to the next.")
@click.option("--json", "as_object", is_flag=True, help="One JSON object, as Prometheus's HTTP API gives it.")
def query(
    expression: str,
    at: datetime | None,
    start: datetime | None,
    end: datetime | None,
    step: timedelta | None,
    *,
    as_object: bool,
) -> None:
    """Evaluate the PromQL expression EXPR over the samples in the store.

    TIME is an instant (2026-11-23T12:00:00Z, or Unix seconds) or how long ago it was (1h). Times are shown
    in UTC. Exits 2 when EXPR is no PromQL, 1 when it cannot be evaluated.

    \b
    Examples:
      watchfleet query 'probe_success == 0'
      watchfleet query 'avg_over_time(probe_duration_seconds[10m])' --at 2h
      watchfleet query 'sum by (kind) (probe_success)' --from 1h --step 5m --json
    """
    _check_usage(at, start, end, step)
    try:
        value = _evaluate(expression, at, start, end, step)
    except promql.QueryError as error:
        click.echo(_complaint(error), err=True)
        sys.exit(2 if isinstance(error, promql.ParseError) else 1)
    for note in (*value.warnings, *value.infos):
        click.echo(note, err=True)
    if as_object:
        click.echo(json.dumps(facts(value), indent=2))
    else:
        _print(make_console(), value)


def _check_usage(
    at: datetime | None, start: datetime | None, end: datetime | None, step: timedelta | None
) -> None:
    if at is not None and (start or end or step):
        raise click.UsageError("--at is for one instant; a range has --from, --to and --step")
    if start is None and (end or step):
        raise click.UsageError("a range needs --from")
    if start is not None and (end or utcnow()) < start:
        raise click.UsageError("--to must not be before --from")


def _evaluate(
    expression: str, at: datetime | None, start: datetime | None, end: datetime | None, step: timedelta | None
) -> promql.Value:
    parsed, now = promql.parse(expression), utcnow()
    with transaction() as connection:
        source = StoreSeries(connection)
        if start is None:
            return promql.instant(source, parsed, at or now)
        last = end or now
        return promql.range_(source, parsed, start, last, step or _usual_step(last - start))


def _usual_step(span: timedelta) -> timedelta:
    return timedelta(seconds=max(1, span.total_seconds() // _POINTS))


def _complaint(error: promql.QueryError) -> str:
    """The error, and below it the line of the expression with a mark under what is to blame."""
    if error.text is None or error.position is None:
        return f"watchfleet: {error}"
    line, column = error.position
    shown = (error.text.split("\n")[line - 1]).expandtabs(1)
    length = error.span.end - error.span.start if error.span else 1
    mark = "^" * max(1, min(length, len(shown) - column + 1))
    return f"watchfleet: {error}\n\n  {shown}\n  {' ' * (column - 1)}{mark}"


def _print(console: Console, value: promql.Value) -> None:
    match value:
        case promql.Scalar():
            click.echo(format_value(value.value))
        case promql.String():
            click.echo(value.value)
        case promql.Vector():
            lines = [[_name(one.labels), format_value(one.value)] for one in value]
            _print_lines(console, ["SERIES", "VALUE"], lines)
        case promql.Matrix():
            _print_lines(console, ["SERIES", "TIME", "VALUE"], _matrix_lines(value))


def _print_lines(console: Console, columns: list[str], lines: list[list[str]]) -> None:
    if not lines:
        click.echo("nothing: no series has a value there", err=True)
        return
    print_table(console, columns, lines, right={"VALUE"})


def _matrix_lines(value: promql.Matrix) -> list[list[str]]:
    lines = []
    for one in value:
        heading = _name(one.labels)
        for at, number in zip(one.timestamps.tolist(), one.values.tolist(), strict=True):
            lines.append([heading, _time(at), format_value(number)])
            heading = ""
    return lines


def _name(labels: Any) -> str:
    """A series as people write it, such as `up{job="api"}`."""
    pairs = labels_of(labels)
    name, rest = value_of(pairs, "__name__"), without_metadata(pairs)
    return escape(name + (format_labels(rest) if rest or not name else ""))


def _time(at: int) -> str:
    text = datetime.fromtimestamp(at / 1000, UTC).isoformat(sep=" ", timespec="milliseconds")
    return text.removesuffix("+00:00").removesuffix(".000")
