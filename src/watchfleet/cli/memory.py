"""`watchfleet memory`: which processes leak."""

import json
import time
from datetime import UTC, datetime, timedelta

import click
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import format_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.detectors import processes, snapshots
from watchfleet.detectors.memory_trend import Reason
from watchfleet.detectors.processes import Process
from watchfleet.detectors.snapshots import SECONDS, TASKS, Extent
from watchfleet.errors import WatchfleetError
from watchfleet.instrument.bursts import MOST_SECONDS, MOST_TASKS
from watchfleet.metrics import snapshots as store
from watchfleet.metrics.snapshots import Snapshot
from watchfleet.settings import get_settings


@click.group()
def memory() -> None:
    """See what the memory of processes does, and which of them leak.

    A process is known by process_resident_memory_bytes and process_start_time_seconds.

    \b
    Examples:
      watchfleet memory list
      watchfleet memory trend app.example.com:8000
      watchfleet memory snapshot 'shop@web1/0'
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


@memory.command("snapshot")
@click.argument("process")
@click.option(
    "--tasks", type=click.IntRange(1, MOST_TASKS), default=TASKS, show_default=True, help="Its end."
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, MOST_SECONDS),
    default=SECONDS,
    show_default=True,
    help="Its end, too.",
)
@click.option("--json", "as_object", is_flag=True, help="One JSON object, for programs.")
def snapshot_(process: str, *, tasks: int, seconds: float, as_object: bool) -> None:
    """Have PROCESS tell which lines allocate what it keeps, over its next tasks; waits until it has.

    Its tasks are several times slower meanwhile. It begins when the process has ended a task and looked,
    which it does each half minute. Exits 1 when no answer comes.

    \b
    Examples:
      watchfleet memory snapshot 'shop@web1/0'
      watchfleet memory snapshot 'shop@web1/0' --tasks 1000 --seconds 300
    """
    with transaction() as connection:
        wanted = snapshots.ask(connection, process, utcnow(), Extent(tasks, seconds))
    click.echo(f"{process} is asked; waiting until {_instant(wanted.until.timestamp())} UTC", err=True)
    found = _awaited(wanted)
    if found is None:
        raise WatchfleetError(f"{process} did not answer: it has ended no task, or it has ended")
    if as_object:
        click.echo(json.dumps(found.facts(), indent=2))
    else:
        _show(found)


@memory.command("snapshots")
@click.argument("process", required=False)
@click.option("--json", "as_object", is_flag=True, help="One JSON object, for programs.")
def snapshots_(process: str | None, *, as_object: bool) -> None:
    """Show the snapshots that were taken, the newest last; of PROCESS, or of all.

    \b
    Examples:
      watchfleet memory snapshots
      watchfleet memory snapshots 'shop@web1/0' --json
    """
    with transaction() as connection:
        found = store.read(connection, process)
    if as_object:
        click.echo(json.dumps({"snapshots": [one.facts() for one in found]}, indent=2))
        return
    for one in reversed(found):
        _show(one)


def _awaited(wanted: Snapshot) -> Snapshot | None:
    """The answer; None when it is too late for one."""
    while utcnow() < wanted.until:
        with transaction() as connection:
            found = next(one for one in store.read(connection, wanted.process) if one.id == wanted.id)
        if found.taken_at is not None:
            return found
        time.sleep(1)
    return None


def _show(one: Snapshot) -> None:
    result, console = one.result, make_console()
    if one.taken_at is None or "error" in result:
        why = result.get("error") or "it has not answered"
        console.print(
            f"{escape(one.process)} at {_instant(one.asked_at.timestamp())}: {why}", highlight=False
        )
        return
    ran = ", ".join(f"{count} x {name}" for name, count in (result.get("ran") or {}).items())
    when = _instant(one.taken_at.timestamp())
    console.print(
        f"{escape(one.process)} at {when}, over {result['tasks']} tasks ({escape(ran)})", highlight=False
    )
    lines = [
        [escape(line["line"]), f"{line['bytes']:,}", f"{line['blocks']:,}", escape(line["source"])]
        for line in result["lines"]
    ]
    print_table(console, ["LINE", "BYTES", "BLOCKS", ""], lines, right={"BYTES", "BLOCKS"})


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
