"""`watchfleet rules list`: every rule and how it stands."""

import json
from datetime import datetime
from typing import Any

import click
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import format_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.rules.library import get_library
from watchfleet.rules.listing import ListedGroup, ListedRule, listed

_COLOURS = {
    "firing": "red",
    "pending": "yellow",
    "off": "dim",
    "dead": "yellow",
    "failing": "red",
    "new": "dim",
}


@click.command("list")
@click.option("--json", "as_object", is_flag=True, help="One JSON object, for programs.")
def list_rules(*, as_object: bool) -> None:
    """Show every rule: whether it fires, whether it can be evaluated, and whether it finds any series.

    A rule is dead when its selectors match no series at all, so that it can never fire.

    \b
    Examples:
      watchfleet rules list
      watchfleet rules list --json | jq '.rules[] | select(.standing == "dead")'
    """
    library = get_library()
    with transaction() as connection:
        groups = listed(connection, library, utcnow())
    found = [_facts(group, one) for group in groups for one in group.rules]
    if as_object:
        click.echo(json.dumps({"rules": found, "problems": [str(one) for one in library.problems]}, indent=2))
        return
    console = make_console()
    columns = ["Rule", "Group", "State", "Alerts", "Series", "Interval", "Evaluated", "Error"]
    print_table(console, columns, [_line(one) for one in found], right={"Alerts", "Series"})
    for problem in library.problems:
        console.print(f"[red]problem[/] {escape(str(problem))}", soft_wrap=True)


def _facts(group: ListedGroup, one: ListedRule) -> dict[str, Any]:
    return {
        "rule": one.rule.rule.name,
        "group": group.group.group.name,
        "standing": standing(one),
        "alerts": len(one.active),
        "series": one.state.series if one.state else None,
        "interval": format_duration(group.group.interval),
        "evaluated": _instant(group.state.evaluated_at if one.state else None),
        "error": one.state.error if one.state else "",
    }


def standing(one: ListedRule) -> str:
    """One word on how a rule stands."""
    if not one.rule.enabled:
        return "off"
    if one.state is None:
        return "new"
    if one.state.error:
        return "failing"
    if one.is_dead:
        return "dead"
    return one.shown_state if one.rule.alerts else "recording"


def _line(facts: dict[str, Any]) -> list[str]:
    colour = _COLOURS.get(facts["standing"], "green")
    series = "-" if facts["series"] is None else str(facts["series"])
    return [
        escape(facts["rule"]),
        escape(facts["group"]),
        f"[{colour}]{facts['standing']}[/]",
        str(facts["alerts"]),
        series,
        facts["interval"],
        facts["evaluated"] or "never",
        escape(facts["error"]),
    ]


def _instant(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
