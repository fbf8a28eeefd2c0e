"""`watchfleet queries`: which kinds of queries take the time, and which were slow."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import click
import psycopg2
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import parse_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.detectors import plans, slow_queries
from watchfleet.detectors.sessions import Session, chains, facts, read
from watchfleet.detectors.slow_queries import KindOfQuery
from watchfleet.errors import WatchfleetError
from watchfleet.probes.databases import databases
from watchfleet.redact import redact


class _Span(click.ParamType[timedelta]):
    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_since = click.option("--since", type=_Span(), default="1h", show_default=True, help="How far back to look.")
_json = click.option("--json", "as_object", is_flag=True, help="One JSON object, for programs.")

_TABLES: Final = {
    "slow": ("at", "seconds", "task", "task_id", "correlation_id", "call_site", "error"),
    "locks": ("at", "seconds", "target", "application", "chain"),
    "repeats": ("at", "seconds", "place", "count"),
}


@click.group()
def queries() -> None:
    """See which kinds of queries take the time, and which queries were slow.

    Applications that call watchfleet.instrument report them. A kind is all that differs in its values alone.

    \b
    Examples:
      watchfleet queries top
      watchfleet queries show 50fde20626009aba
      watchfleet queries live
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
        found = plans.details(connection, fingerprint, now - since, now)
    if not any(found.values()):
        raise WatchfleetError(
            f"no query of the kind {fingerprint} was reported lately; `watchfleet queries top` lists them"
        )
    if as_object:
        click.echo(json.dumps(found, indent=2))
        return
    console = make_console()
    for one in found["queries"]:
        print_table(console, ["", ""], [[key, escape(str(value))] for key, value in one.items()])
    for name, columns in _TABLES.items():
        if found[name]:
            lines = [[_cell(row, key) for key in columns] for row in found[name]]
            headings = [key.replace("_", " ").upper() for key in columns]
            print_table(console, headings, lines, right={"SECONDS"})
    for plan in found["plans"]:
        console.print(f"Plan {plan['shape']} of {escape(plan['target'])}, first seen {plan['at'][:19]}:")
        console.print("\n".join(f"  {escape(line)}" for line in plan["plan"]), highlight=False)


@queries.command()
@click.option("--target", help="Only the database that the target of this name probes.")
@_json
def live(target: str | None, *, as_object: bool) -> None:
    """Show what the databases that are probed are doing now, and which session holds up which.

    \b
    Examples:
      watchfleet queries live
      watchfleet queries live --target orders --json
    """
    known = {name: url for name, url in databases().items() if target in (None, name)}
    if not known:
        raise WatchfleetError(
            f"no PostgreSQL database {target or ''} is probed; `watchfleet probes list` lists targets"
        )
    seen = {name: _sessions(name, url) for name, url in known.items()}
    if as_object:
        click.echo(json.dumps({"databases": [facts(name, found) for name, found in seen.items()]}, indent=2))
        return
    console = make_console()
    columns = ["TARGET", "PID", "STATE", "TIME", "WAIT", "BLOCKED BY", "APPLICATION", "STATEMENT"]
    lines = [_session(name, one) for name, found in seen.items() for one in found]
    print_table(console, columns, lines, right={"PID", "TIME"})
    held_up = [
        [escape(name), str(chain), escape(_short(chain.root.statement))]
        for name, found in seen.items()
        for chain in chains(found)
    ]
    if held_up:
        print_table(console, ["TARGET", "HELD UP", "BY"], held_up)


def _sessions(name: str, url: str) -> list[Session]:
    try:
        return read(url)
    except psycopg2.Error as error:
        raise WatchfleetError(f"{name}: {redact(str(error)).strip()}") from error


def _session(name: str, one: Session) -> list[str]:
    blockers = ", ".join(map(str, one.blocked_by))
    told = (name, str(one.pid), one.state, _time(one.seconds), one.wait, blockers, one.application)
    return [*map(escape, told), escape(_short(one.statement))]


def _line(one: KindOfQuery) -> list[str]:
    times = map(_time, (one.total, one.avg, one.p95, one.p99))
    return [
        escape(one.fingerprint),
        str(one.count),
        *times,
        str(one.errors),
        str(one.slow),
        escape(_short(one.text)),
    ]


def _cell(row: Mapping[str, Any], key: str) -> str:
    if key == "at":
        return str(row["at"])[:19]
    return _time(row["seconds"]) if key == "seconds" else escape(str(row.get(key, "")))


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def _time(seconds: float) -> str:
    return f"{seconds:.2f}s" if seconds >= 1 else f"{seconds * 1000:.2f}ms"
