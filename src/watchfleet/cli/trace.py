"""`watchfleet trace`: what happened under one correlation id."""

import json
from typing import Any, Final

import click
from rich.markup import escape

from watchfleet import correlation
from watchfleet.cli._console import make_console, print_table
from watchfleet.db.engine import transaction
from watchfleet.errors import WatchfleetError
from watchfleet.metrics.timeline import MOST, Entry, timeline
from watchfleet.notify.text import one_line

_LONGEST: Final = 300
_HIDDEN: Final = {"labels", "annotations"}


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
def trace(correlation_id: str, *, limit: int, as_json: bool) -> None:
    """Show what happened under the correlation ID, in order of time.

    Requests, tasks, slow queries, alerts and their notifications, as far as the store still keeps them
    (RETENTION_TRACE). Exits 1 when there is nothing.

    \b
    Examples:
      watchfleet trace 4bf92f3577b34da6a3ce929d0e0e4736
      watchfleet trace order-4711 --json
    """
    with transaction() as connection:
        found = timeline(connection, correlation_id, limit)
    if not found:
        raise WatchfleetError(f"nothing is known of the correlation id {correlation_id}")
    if as_json:
        for entry in found:
            click.echo(json.dumps(entry._asdict() | {"at": entry.at.isoformat()}))
        return
    print_table(
        make_console(), ["TIME", "KIND", "WHERE", "WHAT", "TOOK", ""], list(map(_line, found)), right=["TOOK"]
    )


def _line(entry: Entry) -> list[str]:
    took = "" if entry.duration is None else f"{entry.duration * 1000:.1f} ms"
    fields = " ".join(f"{key}={value}" for key, value in entry.fields.items() if key not in _HIDDEN and value)
    time = entry.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return [time, entry.kind, *map(_safe, (entry.source, entry.what)), took, _safe(fields)]


def _safe(text: str) -> str:
    """A text that others wrote, as a terminal may show it."""
    return escape(one_line(text, _LONGEST))
