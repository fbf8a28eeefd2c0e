"""`watchfleet logs clean`: delete rotated log files that are over."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.cli._fleet import data_dir_option
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.logplaces import places
from watchfleet.errors import FleetError
from watchfleet.logs import upkeep
from watchfleet.logs.escape import escape_controls
from watchfleet.settings import get_settings


@click.command()
@data_dir_option
@click.option(
    "--directory", type=click.Path(path_type=Path, file_okay=False), help="A log directory instead."
)
@click.option("--dry-run", is_flag=True, help="Tell what would be deleted, and delete nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def clean(data_dir: Path, directory: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Delete rotated log files that are too old, too many, or too large together; compress the others.

    LOG_RETENTION_DAYS, LOG_MAX_FILES and LOG_MAX_TOTAL_SIZE_MB say what may stay, and go in that order. Only
    files that watchfleet rotated are looked at: never a live log, another program's file, a link, or what a
    process still writes.

    \b
    Examples:
      watchfleet logs clean --dry-run
      watchfleet logs clean --directory /var/log/watchfleet --json
    """
    found = places(get_settings(), DataDirectory(data_dir), directory)
    if not found:
        raise FleetError(
            f"there are no logs: LOG_DIRECTORY is not set and there is no fleet in {data_dir}; "
            "name a --directory or a --data-dir"
        )
    done = upkeep.clean(found, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(_facts(done, dry_run=dry_run), indent=2))
    else:
        _print(done, dry_run=dry_run)


def _facts(done: upkeep.Cleaned, *, dry_run: bool) -> dict[str, object]:
    deleted = [
        {"path": str(one.path), "reason": one.reason, "bytes": one.size, "last_line": _time(one.ended)}
        for one in done.deleted
    ]
    packed = [{"path": str(one.path), "bytes_before": one.before, "bytes": one.after} for one in done.packed]
    return {"dry_run": dry_run, "deleted": deleted, "packed": packed, "busy": list(map(str, done.busy))}


def _print(done: upkeep.Cleaned, *, dry_run: bool) -> None:
    for path in done.busy:
        click.echo(f"{path}: another process cleans it at this moment", err=True)
    if done.deleted:
        lines = [
            [escape(escape_controls(str(one.path))), one.reason, f"{one.size / 1e6:.1f} MB", _time(one.ended)]
            for one in done.deleted
        ]
        heading = "WOULD BE DELETED" if dry_run else "DELETED"
        print_table(make_console(), [heading, "FOR ITS", "SIZE", "LAST LINE"], lines, right={"SIZE"})
    verb = "would be deleted" if dry_run else "deleted"
    size = sum(one.size for one in done.deleted) / 1e6
    click.echo(f"{len(done.deleted)} files {verb} ({size:.1f} MB), {len(done.packed)} compressed.")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
