"""`watchfleet queries`: which kinds of queries take the time, and which were slow."""

import json
from datetime import timedelta
from typing import Any

import click
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import parse_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.detectors import slow_queries
from watchfleet.detectors.slow_queries import KindOfQuery
from watchfleet.errors import WatchfleetError


class _Span(click.ParamType[timedelta]):
    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_since = click.option("--since", type=_Span(), default="1h", show_default=True, help="How far back to look.")
_json = click.option("--json", "as_object", is_flag=True, help="One JSON object, for programs.")


@click.group()
def queries() -> None:
    """See which kinds of queries take the time, and which queries were slow.

    Applications that call watchfleet.instrument report them. A kind is all that differs in its values alone.

    \b
    Examples:
      watchfleet queries top
      watchfleet queries show 50fde20626009aba
    """


@queries.command()
@_since
@click.option("--order", type=click.Choice(slow_queries.ORDERS), default="total", show_default=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@_json
def top(since: timedelta, order: str, limit: int, *, as_object: bool) -> None:
    """Show the kinds of queries that took the most time.

    \b
    Examples:
      watchfleet queries top
      watchfleet queries top --since 7d --order p99 --limit 5
      watchfleet queries top --json
    """
    now = utcnow()
    with transaction() as connection:
        found = slow_queries.top(connection, now - since, now, order=order, limit=limit)
    if as_object:
        click.echo(json.dumps({"queries": [one.facts() for one in found]}, indent=2))
        return
    numbers = ["COUNT", "TOTAL", "AVG", "P95", "P99", "ERRORS", "SLOW"]
    columns = ["FINGERPRINT", *numbers, "STATEMENT"]
    print_table(make_console(), columns, [_line(one) for one in found], right=set(numbers))


@queries.command()
@click.argument("fingerprint")
@_since
@_json
def show(fingerprint: str, since: timedelta, *, as_object: bool) -> None:
    """Show one kind of query and its newest slow ones, each with its task and the line that asked.

    \b
    Examples:
      watchfleet queries show 50fde20626009aba
      watchfleet queries show 50fde20626009aba --since 7d --json
    """
    now = utcnow()
    with transaction() as connection:
        found = slow_queries.top(connection, now - since, now, fingerprint=fingerprint)
        rows = slow_queries.slow(connection, fingerprint, now - since)
    if not found:
        raise WatchfleetError(
            f"no query of the kind {fingerprint} was reported lately; `watchfleet queries top` lists them"
        )
    if as_object:
        click.echo(json.dumps({"queries": [one.facts() for one in found], "slow": rows}, indent=2))
        return
    console = make_console()
    for one in found:
        print_table(console, ["", ""], [[key, escape(str(value))] for key, value in one.facts().items()])
    shown = ("task", "task_id", "correlation_id", "call_site", "error")
    lines = [
        [row["at"][:19], _time(row["seconds"]), *(escape(str(row.get(key, ""))) for key in shown)]
        for row in rows
    ]
    headings = ["AT", "TIME", *(key.replace("_", " ").upper() for key in shown)]
    print_table(console, headings, lines, right={"TIME"})


def _line(one: KindOfQuery) -> list[str]:
    times = map(_time, (one.total, one.avg, one.p95, one.p99))
    text = one.text if len(one.text) <= 80 else f"{one.text[:79]}…"
    return [
        escape(one.fingerprint),
        str(one.count),
        *times,
        str(one.errors),
        str(one.slow),
        escape(text),
    ]


def _time(seconds: float) -> str:
    return f"{seconds:.2f}s" if seconds >= 1 else f"{seconds * 1000:.2f}ms"
