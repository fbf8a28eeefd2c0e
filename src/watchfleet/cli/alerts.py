"""`watchfleet alerts`: what fires, an alert's whole life, and acknowledgements."""

import getpass
import json
import sys
from datetime import datetime

import click

from watchfleet.cli._console import make_console, print_table
from watchfleet.cli._times import AHEAD, at
from watchfleet.cli.notifications import print_notifications
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.errors import FleetError
from watchfleet.notify import acknowledgements, answer, audit
from watchfleet.notify.audit import Life
from watchfleet.notify.matchers import parse
from watchfleet.notify.overview import Filter, alerts_of, flapping_until
from watchfleet.notify.policy import get_policy
from watchfleet.notify.text import one_line


@click.group()
def alerts() -> None:
    """See what fires and an alert's whole life, and acknowledge alerts.

    \b
    Examples:
      watchfleet alerts list
      watchfleet alerts ack 1f2e3d4c5b6a7988 --comment "on it"
    """


@alerts.command("list")
@click.argument("matchers", nargs=-1, metavar="[MATCHER]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def list_(matchers: tuple[str, ...], *, as_json: bool) -> None:
    """List the alerts that fire, and how each stands.

    \b
    Examples:
      watchfleet alerts list
      watchfleet alerts list severity=critical --json
    """
    try:
        wanted = Filter(tuple(matcher for text in matchers for matcher in parse(text)))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    policy, now = get_policy(), utcnow()
    with transaction() as connection:
        found = alerts_of(connection, policy, wanted, now)
        names = [one.alert.fingerprint for one in found]
        acknowledged = acknowledgements.in_force(connection, names, now)
    lines = []
    for one in found:
        word, until = acknowledged.get(one.alert.fingerprint), flapping_until(policy, one.alert, now)
        if as_json:
            click.echo(json.dumps(answer.alert(one, word, flapping_until=until)))
            continue
        labels = ", ".join(f"{name}={value}" for name, value in one.alert.labels.items())
        stands = one.block.reason or (f"acknowledged by {word.created_by}" if word else "")
        stands = stands or ("flapping" if until else "active")
        lines.append(
            [
                one.alert.fingerprint,
                at(one.alert.starts_at),
                stands,
                ", ".join(one.receivers),
                one_line(labels, 200),
            ]
        )
    if not as_json:
        print_table(make_console(), ["ALERT", "SINCE", "STANDS", "RECEIVERS", "LABELS"], lines)


@alerts.command()
@click.argument("fingerprint")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def show(fingerprint: str, *, as_json: bool) -> None:
    """Show an alert's whole life: its states, who was told, who was not and why, who acknowledged it.

    \b
    Examples:
      watchfleet alerts show 1f2e3d4c5b6a7988
    """
    with transaction() as connection:
        found = audit.life(connection, fingerprint)
    if found.is_empty:
        raise FleetError(
            f"nothing is known of an alert {fingerprint}; `watchfleet alerts list` has those that fire"
        )
    if as_json:
        click.echo(json.dumps(answer.life(found), indent=2))
    else:
        _print_life(found)


@alerts.command()
@click.argument("fingerprint")
@click.option("--comment", required=True, help="What you do about it.")
@click.option("--author", default=getpass.getuser, show_default="who you are", help="Who acknowledges it.")
@click.option("--until", type=AHEAD, help="When it ends by itself, such as 2h. By default with the alert.")
def ack(fingerprint: str, comment: str, author: str, until: datetime | None) -> None:
    """Acknowledge an alert: it is not repeated and not escalated until its state changes.

    \b
    Examples:
      watchfleet alerts ack 1f2e3d4c5b6a7988 --comment "on it"
      watchfleet alerts ack 1f2e3d4c5b6a7988 --comment "after lunch" --until 1h
    """
    with transaction() as connection:
        acknowledgements.acknowledge(connection, fingerprint, author, comment, utcnow(), expires_at=until)
    click.echo(f"{fingerprint} is acknowledged by {author}")


@alerts.command()
@click.argument("fingerprint")
@click.option("--author", default=getpass.getuser, show_default="who you are", help="Who withdraws it.")
def unack(fingerprint: str, author: str) -> None:
    """Withdraw the acknowledgement of an alert; exits 1 if there is none.

    \b
    Examples:
      watchfleet alerts unack 1f2e3d4c5b6a7988
    """
    with transaction() as connection:
        ended = acknowledgements.withdraw(connection, fingerprint, author, utcnow())
    click.echo("withdrawn" if ended else f"nobody has acknowledged {fingerprint}")
    sys.exit(0 if ended else 1)


def _print_life(found: Life) -> None:
    if found.alert:
        for name, value in {**found.alert.labels, **found.alert.annotations}.items():
            click.echo(f"{name}: {one_line(value, 500)}")
        over = found.alert.is_over(utcnow())
        ended = f", over since {at(found.alert.ends_at)}" if over and found.alert.ends_at else ", fires"
        click.echo(f"since {at(found.alert.starts_at)}{ended}")
    for event in found.events:
        click.echo(f"{at(event.at)}  {event.before} -> {event.after}: {event.reason}")
    for word in found.acknowledgements:
        end = f", until {at(word.ended_at)}: {word.ended_by}" if word.ended_at else ""
        click.echo(f"{at(word.created_at)}  acknowledged by {word.created_by}: {word.comment}{end}")
    print_notifications(list(found.notifications))
