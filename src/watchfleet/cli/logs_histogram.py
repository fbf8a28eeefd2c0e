"""`watchfleet logs histogram`: how many records there are over time."""

import json
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from watchfleet.cli._console import make_console
from watchfleet.cli._logs import COLOURS, filter_options, place_options, query_of, root_of, short_time
from watchfleet.logs import levels
from watchfleet.logs.answers import histogram_facts
from watchfleet.logs.histogram import MOST_BUCKETS, SECONDS, Histogram
from watchfleet.logs.histogram import histogram as counted

_WIDTH = 60


@click.command()
@click.argument("text", required=False)
@filter_options
@place_options
@click.option(
    "--buckets", default=30, show_default=True, type=click.IntRange(1, MOST_BUCKETS), help="At most."
)
@click.option(
    "--seconds", default=SECONDS, show_default=True, type=click.FloatRange(0.01, 3600), help="At most."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def histogram(
    text: str | None,
    data_dir: Path,
    directory: Path | None,
    buckets: int,
    seconds: float,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Count records over time, by level.

    \b
    Examples:
      watchfleet logs histogram --from 24h
      watchfleet logs histogram 'timed out' --file 'probes.log*' --json
    """
    root = root_of(data_dir, directory)
    found = counted(root, query_of(text, **options), buckets=buckets, seconds=seconds)
    if as_json:
        click.echo(json.dumps(histogram_facts(found), indent=2))
    else:
        _print(found)


def _print(found: Histogram) -> None:
    console, most = make_console(), max((counts.total() for counts in found.buckets.values()), default=1)
    names = (*reversed(levels.NAMES), "NONE")
    for at, counts in sorted(found.buckets.items()):
        line = Text(f"{short_time(at)} {counts.total():>8} ")
        for name in names:
            line.append("█" * round(_WIDTH * counts[name] / most), COLOURS.get(name, ""))
        worst = ", ".join(f"{counts[name]} {name}" for name in names[:3] if counts[name])
        line.append(f" {worst}" if worst else "", "dim")
        console.print(line)
    if found.untimed:
        click.echo(f"{found.untimed} records have no time", err=True)
    if found.truncated:
        click.echo(
            f"The time was over: what is after {short_time(found.covered_to)} is not counted", err=True
        )
    if not found.buckets and not found.untimed:
        click.echo("nothing was found", err=True)
