"""`watchfleet status`: what runs, since when, and what it costs."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from watchfleet.cli._console import make_console
from watchfleet.cli._fleet import addresses, data_dir_option, print_addresses, print_rows
from watchfleet.embedded import health, leftovers, report
from watchfleet.embedded.directory import DataDirectory, claimant, is_claimed
from watchfleet.embedded.report import Row
from watchfleet.embedded.state import State
from watchfleet.errors import FleetError

NOT_RUNNING: Final = 3


@click.command()
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def status(data_dir: Path, *, as_json: bool) -> None:
    """Show every process: its state, uptime, restarts, memory and processor time.

    Exits 0 if all of them run, 1 if one does not, 3 if no fleet runs. MEMORY is the proportional set size
    (shared pages are counted once) and CPU the average since the process started; what the fleet costs at
    rest is the difference of cpu_seconds between two calls with --json.

    \b
    Examples:
      watchfleet status
      watchfleet status --json
    """
    directory = DataDirectory(data_dir)
    state = State.load(directory)
    if state is None or not is_claimed(directory):
        _tell_not_running(directory, as_json=as_json)
        sys.exit(NOT_RUNNING)
    rows = _rows(directory, state)
    if as_json:
        click.echo(json.dumps(_facts(directory, state, rows), indent=2))
    else:
        console = make_console()
        print_rows(console, rows)
        print_addresses(console, directory, state)
        why = health.why_not_ready(state.web_port)
        console.print(f"[red]Not ready[/]: {why}" if why else "[green]Ready[/]")
    sys.exit(0 if all(row.runs for row in rows) else 1)


def _rows(directory: DataDirectory, state: State) -> list[Row]:
    try:
        return report.rows(directory, state)
    except FleetError as error:
        by = claimant(directory)
        if by is None or not by.lives():
            raise
        raise FleetError(
            f"`watchfleet {by.command}` (pid {by.pid}) is starting or stopping the fleet in {directory.path}"
        ) from error


def _tell_not_running(directory: DataDirectory, *, as_json: bool) -> None:
    left = len(leftovers.find(directory)) if directory.path.is_dir() else 0
    if as_json:
        facts = {"state": "stopped", "data_dir": str(directory.path), "unsupervised": left, "processes": []}
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo(f"No fleet runs in {directory.path}.")
        if left:
            click.echo(
                f"{left} processes are left of a supervisor that was killed: `watchfleet up` replaces them, "
                "`watchfleet down` ends them."
            )


def _facts(directory: DataDirectory, state: State, rows: list[Row]) -> dict[str, Any]:
    why = health.why_not_ready(state.web_port)
    return {
        "state": "running" if all(row.runs for row in rows) else "degraded",
        "ready": not why,
        "why_not_ready": why,
        "data_dir": str(directory.path),
        "version": state.version,
        "addresses": addresses(state),
        "memory_bytes": sum(row.memory_bytes for row in rows),
        "cpu_seconds": round(sum(row.cpu_seconds for row in rows), 2),
        "processes": [asdict(row) for row in rows],
    }
