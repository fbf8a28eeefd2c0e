"""`watchfleet trace`: what happened under one correlation id."""

import json
from pathlib import Path
from typing import Any, Final

import click
from rich.markup import escape

from watchfleet import correlation
from watchfleet.cli._console import make_console, print_table
from watchfleet.cli._logs import place_options, root_of
from watchfleet.cli._trace_logs import Lines, log_lines
from watchfleet.db.engine import transaction
from watchfleet.errors import WatchfleetError
from watchfleet.metrics.timeline import MOST, Entry, timeline
from watchfleet.notify.text import one_line

_LONGEST: Final = 300
_HIDDEN: Final = {"labels", "annotations", "text"}


class _CorrelationId(click.ParamType[str]):
    name = "ID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = correlation.accepted(value)
        if found is None:
            self.fail("an id is 1 to 128 letters, digits, dots, underscores and hyphens", param, ctx)
        return found


@click.command()
@click.argument("correlation_id", metavar="ID", type=_CorrelationId())
@click.option("--limit", default=MOST, show_default=True, type=click.IntRange(1, 100_000), help="The first.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each, for programs.")
@place_options
def trace(correlation_id: str, data_dir: Path, directory: Path | None, *, limit: int, as_json: bool) -> None:
    """Show what happened under the correlation ID, in order of time.

    Requests, tasks, slow queries, alerts and their notifications, as far as the store still keeps them
    (RETENTION_TRACE), among the log lines that carry the id, rotated and compressed files included. Exits 1
    when there is nothing.

    \b
    Examples:
      watchfleet trace 4bf92f3577b34da6a3ce929d0e0e4736
      watchfleet trace order-4711 --json
      watchfleet trace order-4711 --directory /var/log/shop
    """
    lines = _log_lines(correlation_id, data_dir, directory, limit)
    with transaction() as connection:
        stored = timeline(connection, correlation_id, limit)
    for note in lines.notes:
        click.echo(note, err=True)
    found = sorted([*stored, *lines.entries], key=lambda entry: entry.at)[:limit]
    if not found:
        raise WatchfleetError(f"nothing is known of the correlation id {correlation_id}")
    if as_json:
        for entry in found:
            click.echo(json.dumps(entry._asdict() | {"at": entry.at.isoformat()}))
        return
    print_table(
        make_console(), ["TIME", "KIND", "WHERE", "WHAT", "TOOK", ""], list(map(_line, found)), right=["TOOK"]
    )


def _log_lines(correlation_id: str, data_dir: Path, directory: Path | None, limit: int) -> Lines:
    """What the logs say; where they cannot be searched, that, for the store may know more."""
    try:
        return log_lines(root_of(data_dir, directory), correlation_id, limit)
    except WatchfleetError as error:
        return Lines([], [f"no log lines: {error}"])


def _line(entry: Entry) -> list[str]:
    took = "" if entry.duration is None else f"{entry.duration * 1000:.1f} ms"
    fields = " ".join(f"{key}={value}" for key, value in entry.fields.items() if key not in _HIDDEN and value)
    time = entry.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return [time, entry.kind, *map(_safe, (entry.source, entry.what)), took, _safe(fields)]


def _safe(text: str) -> str:
    """A text that others wrote, as a terminal may show it."""
    return escape(one_line(text, _LONGEST))
