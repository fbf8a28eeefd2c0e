"""`watchfleet probes`: which targets there are, and what became of them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import click
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.cli._times import AGO, at
from watchfleet.cli.probe import COLOURS, loaded
from watchfleet.clock import format_duration, utcnow
from watchfleet.complaints import similar
from watchfleet.db.engine import transaction
from watchfleet.errors import WatchfleetError
from watchfleet.probes import history, report
from watchfleet.probes.dependencies import dependants
from watchfleet.probes.history import Interval
from watchfleet.probes.probe import Target
from watchfleet.probes.targets import get_targets
from watchfleet.probes.uptime import Uptime

MONTH = timedelta(days=30)


@click.group()
def probes() -> None:
    """See which targets there are, and what became of them.

    \b
    Examples:
      watchfleet probes list
      watchfleet probes history shop --since 7d
    """


@probes.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def list_(*, as_json: bool) -> None:
    """List every target of the configuration and the fleet's own; faults of others go to standard error.

    \b
    Examples:
      watchfleet probes list
      watchfleet probes list --json
    """
    targets = list(loaded())
    hidden = dependants((target.name, target.depends_on) for target in targets)
    if as_json:
        for target in targets:
            click.echo(json.dumps({**_facts(target), "hides": hidden.get(target.name, [])}))
        return
    columns = ["NAME", "KIND", "INTERVAL", "TIMEOUT", "SEVERITY", "REQUIRED", "DEPENDS ON", "HIDES"]
    lines = [
        [escape(str(cell)) for cell in (*_cells(target), len(hidden.get(target.name, ())) or "")]
        for target in targets
    ]
    print_table(make_console(), columns, lines, right={"INTERVAL", "TIMEOUT", "HIDES"})


@probes.command("history")
@click.argument("name")
@click.option("--since", type=AGO, help="From when on, such as 7d or 2026-11-25T12:00:00Z; by default 30d.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def history_(name: str, since: datetime | None, *, as_json: bool) -> None:
    """Show every status that the target NAME was of, the newest first, and its uptime.

    Uptime is weighed by time. Maintenance and what nobody knows count neither for the target nor against it.

    \b
    Examples:
      watchfleet probes history shop
      watchfleet probes history shop --since 7d --json
    """
    now = utcnow()
    since = since or now - MONTH
    with transaction() as connection:
        known = history.intervals(connection, min(since, now - report.LONGEST), now, [name])
        others = [] if known else history.names(connection)
    if not known:
        hint = similar(name, others) or "`watchfleet probes list` shows all"
        raise WatchfleetError(f"nothing is known of a target {name!r} ({hint})")
    shown = [one for one in reversed(known[name]) if one.end >= since]
    uptimes, target = report.uptimes(known[name], now), get_targets().by_name.get(name)
    promised = target.sla if target else None
    if as_json:
        told = _told(name, uptimes, shown)
        click.echo(json.dumps({**told, "sla": report.facts_of_sla(promised, uptimes)}, indent=2))
        return
    console = make_console()
    console.print(
        "uptime: " + ", ".join(f"{report.shown_ratio(one)} of {span}" for span, one in uptimes.items()),
        highlight=False,
    )
    if promised is not None:
        console.print(report.shown_sla(promised, uptimes), highlight=False)
    print_table(
        console, ["FROM", "TO", "STATUS", "FOR", "REASON", ""], list(map(_line, shown)), right={"FOR"}
    )


def _told(name: str, uptimes: Mapping[str, Uptime], shown: Sequence[Interval]) -> dict[str, Any]:
    return {
        "name": name,
        "uptime": {span: report.facts_of_uptime(one) for span, one in uptimes.items()},
        "history": [report.facts_of_interval(one) for one in shown],
    }


def _line(one: Interval) -> list[str]:
    return [
        at(one.start),
        "" if one.is_open else at(one.end),
        f"[{COLOURS[one.status]}]{one.status}[/]",
        report.shown_length(one.end - one.start),
        escape(one.reason),
        escape(one.detail),
    ]


def _cells(target: Target) -> list[object]:
    return [
        target.name,
        target.kind,
        format_duration(target.interval),
        format_duration(target.timeout),
        target.severity,
        "yes" if target.required else "",
        ", ".join(target.depends_on),
    ]


def _facts(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "kind": target.kind,
        "interval": format_duration(target.interval),
        "timeout": format_duration(target.timeout),
        "severity": target.severity,
        "required": target.required,
        "retries": target.retries,
        "successes": target.successes,
        "depends_on": list(target.depends_on),
        "groups": list(target.groups),
        "public": target.public,
        "sla": target.sla,
        "own": target.own,
        "labels": dict(target.labels),
    }
