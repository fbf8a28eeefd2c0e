"""`watchfleet silences`: have alerts not told for a time."""

import getpass
import json
import sys
from datetime import datetime
from uuid import UUID

import click
from pydantic import ValidationError

from watchfleet.cli._console import make_console, print_table
from watchfleet.cli._times import AHEAD, at
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.notify import answer
from watchfleet.notify import silences as store
from watchfleet.notify.intervals import TimeInterval
from watchfleet.notify.matchers import Matcher, format_matchers, parse
from watchfleet.notify.silences import Silence, SilenceError, SilenceState
from watchfleet.notify.text import one_line


@click.group()
def silences() -> None:
    """Have alerts not told for a time.

    \b
    Examples:
      watchfleet silences add team=web --until 2h --comment "new release"
      watchfleet silences list
    """


@silences.command()
@click.argument("matchers", nargs=-1, required=True, metavar="MATCHER...")
@click.option("--until", type=AHEAD, required=True, help="When it is over, such as 2h, 3d or an instant.")
@click.option("--start", type=AHEAD, help="When it begins. By default now.")
@click.option("--comment", required=True, help="Why.")
@click.option("--author", default=getpass.getuser, show_default="who you are", help="Who makes it.")
@click.option("--weekdays", help="Only on these days, again and again, such as saturday:sunday.")
@click.option("--times", help="Only at these times of the day, again and again, such as 02:00-04:00.")
@click.option("--location", default="UTC", show_default=True, help="The time zone of --weekdays and --times.")
def add(
    *,
    matchers: tuple[str, ...],
    until: datetime,
    start: datetime | None,
    comment: str,
    author: str,
    weekdays: str | None,
    times: str | None,
    location: str,
) -> None:
    """Make a silence of the alerts that fulfil all MATCHERs; prints its id.

    \b
    Examples:
      watchfleet silences add alertname=DiskFull 'host=~"web.*"' --until 2h --comment "being cleaned"
      watchfleet silences add job=backup --until 90d --times 02:00-04:00 --location Europe/Berlin \\
          --comment "every night"
    """
    wanted = Silence(
        id=None,
        matchers=_matchers(matchers),
        starts_at=start or utcnow(),
        ends_at=until,
        created_by=author,
        comment=comment,
        intervals=_intervals(weekdays, times, location),
    )
    with transaction() as connection:
        click.echo(store.put(connection, wanted, utcnow()))


@silences.command("list")
@click.option("--expired", is_flag=True, help="Also those that are over.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def list_(*, expired: bool, as_json: bool) -> None:
    """List silences: those that hold, and those that will.

    \b
    Examples:
      watchfleet silences list
      watchfleet silences list --expired --json
    """
    now = utcnow()
    with transaction() as connection:
        found = store.every(connection)
    shown = [one for one in found if expired or one.state(now) is not SilenceState.EXPIRED]
    if as_json:
        for one in shown:
            click.echo(json.dumps(answer.silence(one, now)))
        return
    lines = [
        [
            str(one.id),
            one.state(now),
            one_line(format_matchers(one.matchers), 200),
            at(one.ends_at) + (" (at times)" if one.intervals else ""),
            one_line(one.created_by, 40),
            one_line(one.comment, 80),
        ]
        for one in shown
    ]
    print_table(make_console(), ["ID", "STATE", "MATCHERS", "UNTIL", "BY", "WHY"], lines)


@silences.command()
@click.argument("ids", nargs=-1, required=True, type=click.UUID, metavar="ID...")
def expire(ids: tuple[UUID, ...]) -> None:
    """End silences now; exits 1 if one is over already or unknown, and ends the others all the same.

    \b
    Examples:
      watchfleet silences expire 8e0540d9-0661-46a7-9430-e0e2825f2c72
    """
    failed = False
    for name in ids:
        try:
            with transaction() as connection:
                store.expire(connection, name, utcnow())
        except SilenceError as error:
            click.echo(f"watchfleet: {error}", err=True)
            failed = True
    sys.exit(1 if failed else 0)


def _matchers(texts: tuple[str, ...]) -> tuple[Matcher, ...]:
    try:
        return tuple(matcher for text in texts for matcher in parse(text))
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _intervals(weekdays: str | None, times: str | None, location: str) -> tuple[TimeInterval, ...]:
    if weekdays is None and times is None:
        return ()
    given: dict[str, object] = {"location": location}
    if weekdays is not None:
        given["weekdays"] = weekdays.split(",")
    if times is not None:
        spans = [span.partition("-") for span in times.split(",")]
        given["times"] = [{"start_time": begin.strip(), "end_time": end.strip()} for begin, _, end in spans]
    try:
        return (TimeInterval.model_validate(given),)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise click.UsageError(first) from error
