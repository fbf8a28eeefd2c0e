"""`watchfleet metrics retention`: how long metrics are kept, and dropping what is over."""

import click

from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import format_duration, utcnow
from watchfleet.db import partitions
from watchfleet.db.engine import get_engine
from watchfleet.metrics import retention as keeping


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be dropped.")
def retention(*, dry_run: bool) -> None:
    """Drop the partitions whose retention is over, as the fleet does every hour.

    \b
    Examples:
      watchfleet metrics retention --dry-run
    """
    engine, now = get_engine(), utcnow()
    lines = []
    for parent in partitions.ALL:
        names = partitions.expired(engine, parent, now)
        kept = "always" if parent.retention is None else format_duration(parent.retention)
        lines.append([parent.table, kept, ", ".join(names) or "-"])
    print_table(make_console(), ["TABLE", "KEPT", "OVER"], lines)
    if dry_run:
        click.echo("\nNothing was dropped.")
        return
    done = keeping.keep(engine, now)
    click.echo(f"\nDropped {len(done.dropped)} partitions; {len(done.held)} are in use or not rolled up yet.")
