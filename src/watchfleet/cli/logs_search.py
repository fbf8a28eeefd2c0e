"""`watchfleet logs search`: records of log files, merged by time."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from watchfleet.cli._console import make_console
from watchfleet.cli._logs import filter_options, place_options, print_record, query_of, root_of, short_time
from watchfleet.logs.answers import answer_facts
from watchfleet.logs.errors import LogQueryError
from watchfleet.logs.query import MOST_CONTEXT, MOST_RECORDS, Answer, Cursor
from watchfleet.logs.search import SECONDS, count
from watchfleet.logs.search import search as find


@click.command()
@click.argument("text", required=False)
@filter_options
@place_options
@click.option("--oldest", is_flag=True, help="The oldest first.")
@click.option("--context", "-C", default=0, type=click.IntRange(0, MOST_CONTEXT), help="Lines around each.")
@click.option("--limit", "-n", default=100, show_default=True, type=click.IntRange(1, MOST_RECORDS))
@click.option("--cursor", metavar="CURSOR", help="Where the last answer ended.")
@click.option(
    "--seconds", default=SECONDS, show_default=True, type=click.FloatRange(0.01, 3600), help="At most."
)
@click.option(
    "--count", "only_count", is_flag=True, help="Only how many lines hold TEXT, of whatever level and time."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def search(
    text: str | None,
    data_dir: Path,
    directory: Path | None,
    seconds: float,
    cursor: str | None,
    *,
    oldest: bool,
    only_count: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find records that hold TEXT, in all log files together, the newest first.

    Rotated and compressed files are searched, too. A traceback belongs to its record. Exits 1 when nothing
    was found, 2 on bad usage.

    \b
    Examples:
      watchfleet logs search --level error
      watchfleet logs search 'timed out' --from 2h --file 'alerts.log*' -C 3
      watchfleet logs search -e 'delivery \\d+ (failed|died)' --oldest --json
      watchfleet logs search --correlation-id 4bf92f3577b34da6a3ce929d0e0e4736
    """
    root = root_of(data_dir, directory)
    try:
        options["cursor"] = Cursor.decode(cursor) if cursor else None
        query = query_of(text, newest_first=not oldest, **options)
    except LogQueryError as error:
        raise click.UsageError(str(error)) from error
    if only_count:
        number, _ = count(root, query, seconds=seconds)
        click.echo(json.dumps({"lines": number}) if as_json else str(number))
        sys.exit(0 if number else 1)
    answer = find(root, query, seconds=seconds)
    if as_json:
        click.echo(json.dumps(answer_facts(answer), indent=2))
    else:
        _print(answer)
    sys.exit(0 if answer.records else 1)


def _print(answer: Answer) -> None:
    console = make_console()
    for record in answer.records:
        print_record(console, record, with_file=answer.files > 1)
    for note in answer.notes:
        click.echo(note, err=True)
    if not answer.records:
        click.echo("nothing was found", err=True)
    if answer.truncated:
        click.echo(
            f"There may be more ({answer.truncated}): covered is {short_time(answer.covered_from)} to "
            f"{short_time(answer.covered_to)}"
            + (f"; go on with --cursor {answer.cursor.encode()}" if answer.cursor else ""),
            err=True,
        )
