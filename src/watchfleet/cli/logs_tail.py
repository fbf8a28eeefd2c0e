"""`watchfleet logs tail`: the end of a log file."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click

from watchfleet.cli._console import make_console
from watchfleet.cli._logs import place_options, print_record, root_of
from watchfleet.embedded.interruption import Interruption
from watchfleet.logs.answers import record_facts
from watchfleet.logs.errors import LogQueryError, NoSuchLogError
from watchfleet.logs.follow import Follower
from watchfleet.logs.query import Record
from watchfleet.logs.tail import MOST_RECORDS, last_records

_EVERY = 0.25


@click.command()
@click.argument("name", metavar="FILE")
@place_options
@click.option(
    "--lines", "-n", default=20, show_default=True, type=click.IntRange(0, MOST_RECORDS), help="Records."
)
@click.option("--level", "-l", metavar="LEVEL", help="This level and worse.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is added from now on.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record, for programs.")
def tail(
    name: str,
    data_dir: Path,
    directory: Path | None,
    lines: int,
    level: str | None,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    """Show the last records of the log FILE, such as alerts.log.

    \b
    Examples:
      watchfleet logs tail alerts.log -n 50
      watchfleet logs tail probes.log -f --level warning
    """
    root, console = root_of(data_dir, directory), make_console()

    def show(record: Record) -> None:
        if as_json:
            click.echo(json.dumps(record_facts(record)))
        else:
            print_record(console, record, with_file=False)

    try:
        with closing(Follower(root, name, level)) as follower:
            for record in last_records(root, name, lines, level, follower.position):
                show(record)
            if follow:
                _follow(follower, show)
    except LogQueryError as error:
        raise click.UsageError(str(error)) from error
    except NoSuchLogError as error:
        names = ", ".join(file.name for file in root.files()) or "none"
        raise click.BadParameter(f"{error}; there are {names}", param_hint="FILE") from error


def _follow(follower: Follower, show: Callable[[Record], None]) -> None:
    with Interruption() as interruption:
        while not interruption.came(_EVERY):
            for _, record in follower.poll():
                show(record)
