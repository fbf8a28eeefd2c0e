"""`watchfleet rules backtest`: what a rule would have done."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.cli.rules.change import assignment
from watchfleet.clock import format_duration, parse_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.errors import WatchfleetError
from watchfleet.notify.routing import severity
from watchfleet.rules.backtest import Backtest, Firing
from watchfleet.rules.chart import lines, name_of, svg
from watchfleet.rules.trial import Subject, run, subjects

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class _Tried:
    """A rule's backtest, and the one with other settings beside it if any were given."""

    subject: Subject
    found: Backtest
    changed: Backtest | None = None


@click.command()
@click.argument("name")
@click.option("--since", default="30d", show_default=True, metavar="DURATION", help="How far back to begin.")
@click.option(
    "--set",
    "settings",
    type=assignment,
    multiple=True,
    metavar="KEY=VALUE",
    help="Compare with another value of a parameter, `for` or `keep_firing_for`; may be repeated.",
)
@click.option(
    "--svg", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw the chart into a file."
)
@click.option("--json", "as_object", is_flag=True, help="One JSON object, for programs.")
def backtest(
    name: str, since: str, settings: tuple[tuple[str, str], ...], picture: Path | None, *, as_object: bool
) -> None:
    """Replay the rule NAME, or each alerting rule of a FILE, over the history in the store.

    It takes the same steps as it does live, `for` and `keep_firing_for` included. Where the store tells when
    the rule's group was evaluated, it is evaluated at those times, else at the multiples of the interval.

    \b
    Examples:
      watchfleet rules backtest DependencyDown --since 7d
      watchfleet rules backtest ResourceExhaustion --set disk=20 --set for=15m
      watchfleet rules backtest rules/new.yml --since 24h --svg new.svg
    """
    now, window = utcnow(), _window(since)
    with transaction() as connection:
        tried = [
            _Tried(
                subject,
                run(connection, subject, {}, now - window, now),
                run(connection, subject, dict(settings), now - window, now) if settings else None,
            )
            for subject in subjects(connection, name)
        ]
    if picture is not None:
        picture.write_text(svg(f"{name}, {since}", [part for one in tried for part in _parts(one, settings)]))
    if as_object:
        click.echo(json.dumps([_facts(one, dict(settings)) for one in tried], indent=2))
    else:
        console = make_console()
        for one in tried:
            _print(console, one, settings)


def _window(given: str) -> timedelta:
    try:
        found = parse_duration(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if not found:
        raise WatchfleetError("--since must be more than 0; write it like 12h or 30d")
    return found


def _parts(one: _Tried, settings: tuple[tuple[str, str], ...]) -> list[tuple[str, Backtest]]:
    name = one.subject.rule.rule.name
    parts = [(name, one.found)]
    if one.changed is not None:
        parts.append((f"{name} with {', '.join('='.join(pair) for pair in settings)}", one.changed))
    return parts


def _print(console: Console, one: _Tried, settings: tuple[tuple[str, str], ...]) -> None:
    for name, found in _parts(one, settings):
        console.print(f"\n[bold]{escape(name)}[/]  [dim]{_span(found)}[/]", soft_wrap=True)
        firings = found.firings
        if not firings:
            console.print("  would not have fired")
        width = max(20, console.width - 50)
        for alert, line in lines(found, width):
            console.print(f"  {escape(alert[:44]):<44} [red]{line}[/]", soft_wrap=True, highlight=False)
        if firings:
            columns = ["Fired", "For", "Ended", "Value", "Alert", "Notification"]
            print_table(console, columns, [_line(each, found) for each in firings[:_SHOWN]])
            console.print(f"\n  {_summary(found)}", soft_wrap=True)
        for error, times in found.failed.items():
            console.print(f"  [red]{times} evaluations failed:[/] {escape(error)}", soft_wrap=True)
    if one.changed is not None:
        before, after = len(one.found.firings), len(one.changed.firings)
        longer = one.changed.seconds - one.found.seconds
        sign = "+" if longer >= 0 else "-"
        change = f"{sign}{format_duration(timedelta(seconds=round(abs(longer))))}"
        console.print(f"\n  fires {before} → {after} times, {change} in all", soft_wrap=True)


def _span(found: Backtest) -> str:
    return f"{found.start:%Y-%m-%d %H:%M} to {found.end:%Y-%m-%d %H:%M}, {found.evaluations} evaluations"


def _summary(found: Backtest) -> str:
    firings = found.firings
    told = len(firings) + sum(one.resolved_at is not None for one in firings)
    lasted = format_duration(timedelta(seconds=round(found.seconds)))
    return f"{len(firings)} firings, {lasted} in all, {told} notifications before grouping"


def _line(one: Firing, found: Backtest) -> list[str]:
    lasted = (one.resolved_at or found.end) - one.fired_at
    return [
        f"{one.fired_at:%Y-%m-%d %H:%M:%S}",
        format_duration(timedelta(seconds=round(lasted.total_seconds()))),
        one.reason.replace("_", " ") or "fires on",
        "" if one.value is None else f"{one.value:g}",
        escape(name_of(one.labels)),
        escape(one.annotations.get("summary", "")),
    ]


def _facts(one: _Tried, settings: dict[str, str]) -> dict[str, Any]:
    facts = {"rule": one.subject.rule.rule.name, "params": dict(one.subject.rule.values), **_told(one.found)}
    if one.changed is not None:
        facts["changed"] = {"settings": settings, **_told(one.changed)}
    return facts


def _told(found: Backtest) -> dict[str, Any]:
    return {
        "from": found.start.isoformat(),
        "to": found.end.isoformat(),
        "evaluations": found.evaluations,
        "seconds": found.seconds,
        "transitions": [
            {
                "at": change.at.isoformat(),
                "labels": dict(change.alert.labels),
                "from": str(change.before),
                "to": str(change.after),
                "reason": str(change.reason),
                "value": change.alert.value,
            }
            for change in found.transitions
        ],
        "firings": [_firing(each, found) for each in found.firings],
        "notifications": [each for one in found.firings for each in _notifications(one)],
        "failed": found.failed,
    }


def _firing(one: Firing, found: Backtest) -> dict[str, Any]:
    return {
        "labels": dict(one.labels),
        "pending_at": one.pending_at.isoformat(),
        "fired_at": one.fired_at.isoformat(),
        "resolved_at": _text(one.resolved_at),
        "reason": one.reason,
        "seconds": ((one.resolved_at or found.end) - one.fired_at).total_seconds(),
    }


def _notifications(one: Firing) -> list[dict[str, Any]]:
    told = {
        "labels": dict(one.labels),
        "annotations": dict(one.annotations),
        "severity": str(severity(one.labels)),
    }
    firing = {"at": one.fired_at.isoformat(), "status": "firing", **told}
    if one.resolved_at is None:
        return [firing]
    return [firing, {"at": one.resolved_at.isoformat(), "status": "resolved", **told}]


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
