"""`watchfleet notifications`: who was told, and who was not and why; try again what was given up."""

import json
import sys
from datetime import datetime

import click

from watchfleet.cli._console import make_console, print_table
from watchfleet.cli._times import at, since_option
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.errors import FleetError
from watchfleet.notify import answer, audit, outbox, pipeline
from watchfleet.notify.audit import Asked, Notification
from watchfleet.notify.text import one_line

_WIDEST = 100


@click.group()
def notifications() -> None:
    """See who was told of which alerts, and why others were not.

    \b
    Examples:
      watchfleet notifications list --since 1h
      watchfleet notifications list --state dead
      watchfleet notifications replay 17
    """


@notifications.command("list")
@click.option("--alert", "fingerprint", help="Only those of the alert with this fingerprint.")
@click.option("--state", type=click.Choice(outbox.STATES), help="Only those in this state.")
@click.option("--channel", help="Only those by this channel, such as slack.")
@click.option("--receiver", help="Only those for this receiver.")
@since_option
@click.option("--before", type=int, help="Only those with a lower number: the next page.")
@click.option("--limit", type=click.IntRange(1, audit.MOST), default=50, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def list_(
    *,
    fingerprint: str | None,
    state: str | None,
    channel: str | None,
    receiver: str | None,
    since: datetime | None,
    before: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List notifications, the newest first: those that were sent, and those that were not, with the reason.

    \b
    Examples:
      watchfleet notifications list
      watchfleet notifications list --alert 1f2e3d4c5b6a7988
      watchfleet notifications list --state suppressed --since 2h --json
    """
    asked = Asked(fingerprint, state, channel, receiver, since, None, before, limit)
    with transaction() as connection:
        found = audit.find(connection, asked)
    if as_json:
        for one in found:
            click.echo(json.dumps(answer.notification(one)))
        return
    print_notifications(found)


@notifications.command()
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def show(name: str, *, as_json: bool) -> None:
    """Show one notification, by its number or its delivery id: what it told, and how each try ended.

    \b
    Examples:
      watchfleet notifications show 17
    """
    with transaction() as connection:
        found = audit.get(connection, name)
    if found is None:
        raise FleetError(f"there is no notification {name}; `watchfleet notifications list` has them")
    facts = answer.notification(found)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for field, value in facts.items():
        if value not in (None, "", []) and field != "alerts":
            click.echo(f"{field.replace('_', ' '):<14} {value}")
    for each in found.alerts:
        labels = ", ".join(f"{key}={value}" for key, value in (each["labels"] or {}).items())
        click.echo(f"{'alert':<14} {each['fingerprint']} {each['status']} {one_line(labels, 2000)}")


@notifications.command()
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@click.option("--all-dead", is_flag=True, help="Every notification that was given up, instead of IDs.")
@click.option("--channel", help="With --all-dead: only those by this channel.")
def replay(ids: tuple[int, ...], *, all_dead: bool, channel: str | None) -> None:
    """Have notifications that were given up tried again, as if for the first time.

    Exits 1 if none of them was dead.

    \b
    Examples:
      watchfleet notifications replay 17 18
      watchfleet notifications replay --all-dead --channel slack
    """
    if all_dead == bool(ids):
        raise click.UsageError("name notifications, or use --all-dead")
    with transaction() as connection:
        if all_dead:
            dead = audit.find(connection, Asked(state="dead", channel=channel, limit=audit.MOST))
            ids = tuple(one.id for one in dead)
        count = outbox.replay(connection, ids, utcnow())
        pipeline.ring(connection)
    click.echo(f"{count} will be tried again")
    sys.exit(0 if count or all_dead else 1)


def print_notifications(found: list[Notification]) -> None:
    """Notifications as a table."""
    lines = [
        [
            str(one.id),
            at(one.created_at),
            str(one.destination),
            one.state,
            one_line(_outcome(one), _WIDEST),
            one_line(_alerts(one), _WIDEST),
        ]
        for one in found
    ]
    print_table(make_console(), ["ID", "WRITTEN", "TO", "STATE", "WHY", "ALERTS"], lines, right={"ID"})


def _outcome(one: Notification) -> str:
    tries = f", try {one.attempts}" if one.attempts > 1 else ""
    words = one.reason or one.told_because
    return f"{words}{tries}{': ' if one.answer or one.last_error else ''}{one.answer or one.last_error}"


def _alerts(one: Notification) -> str:
    names = [
        f"{(each['labels'] or {}).get('alertname', each['fingerprint'])} {each['status']}"
        for each in one.alerts
    ]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
