"""`watchfleet doctor`: whether everything is as it must be, and what to do where it is not."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.markup import escape

from watchfleet.cli._console import make_console
from watchfleet.cli._fleet import data_dir_option
from watchfleet.cli._root import fleet_root
from watchfleet.embedded.checks import examine
from watchfleet.embedded.checks.finding import Finding, Setup
from watchfleet.embedded.directory import DataDirectory
from watchfleet.errors import FleetError

_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def doctor(data_dir: Path, *, as_json: bool) -> None:
    """Check the whole set-up, and say what to mend.

    Exits 1 if anything keeps the fleet from working. Changes nothing.

    \b
    Examples:
      watchfleet doctor
      watchfleet doctor --json
    """
    console = make_console()
    setup = Setup(DataDirectory(data_dir), _root())
    found = []
    for finding in examine(setup):
        found.append(finding)
        if not as_json:
            _print(console, finding)
    failed = [finding for finding in found if finding.level == "fail"]
    if as_json:
        click.echo(json.dumps({"ok": not failed, "checks": [asdict(one) for one in found]}, indent=2))
    sys.exit(1 if failed else 0)


def _root() -> Path | None:
    try:
        return fleet_root()
    except FleetError:
        return None


def _print(console: Console, finding: Finding) -> None:
    mend = f"\n{'':24}mend: {escape(finding.mend)}" if finding.mend else ""
    level = f"[{_COLOURS[finding.level]}]{finding.level:>4}[/]"
    console.print(f"{level}  {finding.check:<16}  {escape(finding.text)}{mend}", soft_wrap=True)
