"""What the commands that read logs share: where, when, and how a record looks."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.text import Text

from watchfleet.cli._fleet import data_dir_option
from watchfleet.clock import utcnow
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.logplaces import search_root
from watchfleet.logs import levels
from watchfleet.logs.errors import LogQueryError
from watchfleet.logs.escape import escape_controls
from watchfleet.logs.files import LogRoot
from watchfleet.logs.filters import Filters
from watchfleet.logs.query import Query, Record
from watchfleet.logs.readable import readable
from watchfleet.logs.when import read_when
from watchfleet.redact import redact
from watchfleet.settings import get_settings

Command = TypeVar("Command", bound=Callable[..., Any])
COLOURS: Final = {
    "CRITICAL": "bold red",
    "ERROR": "red",
    "WARNING": "yellow",
    "NOTICE": "cyan",
    "INFO": "green",
    "DEBUG": "dim",
    "TRACE": "dim",
}


def place_options(command: Command) -> Command:
    """The options that tell where the logs are."""
    directory = click.option(
        "--directory",
        type=click.Path(path_type=Path, file_okay=False),
        help="The folder of the logs; by default LOG_DIRECTORY, then the fleet's.",
    )
    return directory(data_dir_option(command))


def filter_options(command: Command) -> Command:
    """The options that tell which records are meant."""
    options = (
        click.option(
            "--level", "-l", metavar="LEVEL", help=f"This level and worse: {', '.join(levels.NAMES)}."
        ),
        click.option("--regex", "-e", "pattern", metavar="PATTERN", help="A pattern of RE2 instead of TEXT."),
        click.option("--ignore-case", "-i", is_flag=True, help="Capitals are the same."),
        click.option(
            "--from", "start", metavar="TIME", help="Since then: an instant in any form, or 2h (ago)."
        ),
        click.option("--to", "end", metavar="TIME", help="Before then."),
        click.option("--logger", metavar="NAME", help="This logger and those below it."),
        click.option("--correlation-id", metavar="ID", help="What belongs to this request."),
        click.option(
            "--field", "fields", metavar="NAME=VALUE", multiple=True, help="A field of a JSON record."
        ),
        click.option(
            "--file", "files", metavar="NAME", multiple=True, help="A log's name, or a pattern with *."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def root_of(data_dir: Path, directory: Path | None) -> LogRoot:
    """The folder that the options mean."""
    return search_root(get_settings(), DataDirectory(data_dir), directory)


def query_of(
    text: str | None,
    *,
    start: str | None,
    end: str | None,
    fields: tuple[str, ...],
    **others: Any,
) -> Query:
    """The question that the options ask.

    Raises:
        click.UsageError: One of them is no use.
    """
    now = utcnow()
    try:
        query = Query(
            text=text,
            start=read_when("--from", start, now) if start else None,
            end=read_when("--to", end, now) if end else None,
            fields=dict(_field(one) for one in fields),
            **others,
        )
        Filters.of(query)
    except LogQueryError as error:
        raise click.UsageError(str(error)) from error
    return query


def print_record(console: Console, record: Record, *, with_file: bool) -> None:
    """A record on the terminal, coloured by its level, with nothing that the terminal would obey."""
    prefix = f"{escape_controls(record.file)} | " if with_file else ""
    for line in record.before:
        console.print(Text(f"{prefix}{escape_controls(redact(line))}", "dim"))
    style = COLOURS.get(record.level or "", "")
    lines = [shown for line in redact(record.text).split("\n") for shown in readable(line)]
    for number, line in enumerate(lines):
        text = Text(prefix, "dim")
        text.append(line, style if number == 0 else "")
        console.print(text)
    if record.cut:
        console.print(Text(f"{prefix}… the rest of this record is left out", "dim"))
    for line in record.after:
        console.print(Text(f"{prefix}{escape_controls(redact(line))}", "dim"))


def short_time(time: int | None) -> str:
    """A time for people, to the second."""
    return "?" if time is None else f"{datetime.fromtimestamp(time / 1e6, UTC):%Y-%m-%d %H:%M:%S}"


def _field(given: str) -> tuple[str, str]:
    name, separator, value = given.partition("=")
    if not separator or not name:
        raise LogQueryError("--field", f"{given!r} is not of the form NAME=VALUE")
    return name, value
