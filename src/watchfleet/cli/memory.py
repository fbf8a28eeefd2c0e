"""`watchfleet memory`: which processes leak."""

import json
from datetime import UTC, datetime, timedelta

import click
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import format_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.detectors import processes
from watchfleet.detectors.memory_trend import Reason
from watchfleet.detectors.processes import Process
from watchfleet.errors import WatchfleetError
from watchfleet.settings import get_settings


@click.group()
def memory() -> None:
    """See what the memory of processes does, and which of them leak.

    A process is known by process_resident_memory_bytes and process_start_time_seconds.

    \b
    Examples:
      watchfleet memory list
      watchfleet memory trend app.example.com:8000
    """


@memory.command("list")
@click.option("--leaking", is_flag=True, help="Only those that leak.")
@click.option("--json", "as_object", is_flag=True, help="One JSON object, for programs.")
def list_(*, leaking: bool, as_object: bool) -> None:
    """Show every process that was heard of in the last ten minutes, leaks first.

    \b
    Examples:
      watchfleet memory list
      watchfleet memory list --leaking --json
    """
    found = [one for one in _judged() if one.verdict.is_leaking or not leaking]
    if as_object:
        click.echo(json.dumps({"processes": [one.facts() for one in found]}, indent=2))
        return
    columns = ["PROCESS", "MB", "MB/H", "VERDICT", "SINCE"]
    print_table(make_console(), columns, [_line(one) for one in found], right={"MB", "MB/H"})


@memory.command()
@click.argument("process")
@click.option("--json", "as_object", is_flag=True, help="One JSON object, for programs.")
def trend(process: str, *, as_object: bool) -> None:
    """Show whether PROCESS leaks: rate and interval, onset, time until its limit, Python or native.

    \b
    Examples:
      watchfleet memory trend app.example.com:8000
      watchfleet memory trend app.example.com:8000 --json
    """
    found = [one for one in _judged() if one.name == process]
    if not found:
        raise WatchfleetError(
            f"no process {process} was heard of lately; `watchfleet memory list` lists them"
        )
    if as_object:
        click.echo(json.dumps({"processes": [one.facts() for one in found]}, indent=2))
        return
    for one in found:
        print_table(make_console(), ["", ""], _details(one))


def _judged() -> list[Process]:
    with transaction() as connection:
        return processes.judged(connection, utcnow(), get_settings().memory_leak_bytes_per_hour)


def _line(one: Process) -> list[str]:
    return [
        escape(one.name),
        _megabytes(one.resident),
        _rate(one),
        _verdict(one),
        _instant(one.verdict.onset),
    ]


def _details(one: Process) -> list[list[str]]:
    verdict, left = one.verdict, one.verdict.until_limit
    interval = f"95 %: {_megabytes(verdict.low)} to {_megabytes(verdict.high)}"
    until = "-" if left is None else format_duration(timedelta(minutes=round(left / 60))) or "now"
    return [
        ["Process", escape(one.name)],
        ["Labels", escape(json.dumps(one.labels))],
        ["Memory", f"{_megabytes(one.resident)} MB at {_instant(one.at.timestamp())}"],
        ["Verdict", _verdict(one)],
        ["Rate", "-" if _unknown(one) else f"{_rate(one)} MB/h ({interval})"],
        ["Since", _instant(verdict.onset)],
        ["Until limit", until],
        ["Allocated by", str(verdict.origin)],
    ]


def _unknown(one: Process) -> bool:
    return one.verdict.reason is Reason.HISTORY_TOO_SHORT


def _rate(one: Process) -> str:
    return "-" if _unknown(one) else _megabytes(one.verdict.rate)


def _verdict(one: Process) -> str:
    told = str(one.verdict.reason).replace("_", " ")
    return f"[red]{told}[/]" if one.verdict.is_leaking else told


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.1f}"


def _instant(seconds: float | None) -> str:
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
