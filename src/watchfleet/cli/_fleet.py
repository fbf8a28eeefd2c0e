"""What the commands about a fleet on this machine share: its data directory, its tables, its addresses."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape

from watchfleet.cli._console import print_table
from watchfleet.cli._running import DATA_DIR, DEFAULT_DATA_DIR
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.ports import HOST
from watchfleet.embedded.report import Row
from watchfleet.embedded.state import State

Command = TypeVar("Command", bound=Callable[..., Any])


def data_dir_option(command: Command) -> Command:
    """The option `--data-dir` of a command."""
    option = click.option(
        "--data-dir",
        type=click.Path(path_type=Path, readable=False),
        default=DEFAULT_DATA_DIR,
        envvar=DATA_DIR,
        show_default=True,
        help="Where the fleet keeps everything.",
    )
    return option(command)


def addresses(state: State) -> dict[str, str]:
    """Where the fleet can be reached."""
    web = f"http://{HOST}:{state.web_port}"
    return {
        "web": f"{web}/health",
        "metrics": f"{web}/metrics",
        "flower": f"http://{HOST}:{state.flower_port}",
    }


def print_purposes(console: Console, rows: list[Row]) -> None:
    """What runs, and why it exists."""
    lines = [[row.name, _state(row), str(row.pid or "-"), escape(row.purpose)] for row in rows]
    print_table(console, ["PROCESS", "STATE", "PID", "WHAT IT DOES"], lines, right={"PID"})


def print_rows(console: Console, rows: list[Row]) -> None:
    """What runs, since when, and what it costs, with the sum."""
    numbers = ["PID", "UPTIME", "RESTARTS", "MEMORY", "CPU"]
    lines = [
        [
            row.name,
            _state(row),
            str(row.pid or "-"),
            _span(row.uptime_seconds),
            str(row.restarts),
            _mebibytes(row.memory_bytes),
            f"{row.cpu_percent:.1f} %",
            escape("" if row.runs else row.note),
        ]
        for row in rows
    ]
    memory = _mebibytes(sum(row.memory_bytes for row in rows))
    percent = f"{sum(row.cpu_percent for row in rows):.1f} %"
    lines.append(["all", "", "", "", "", memory, percent, ""])
    print_table(console, ["PROCESS", "STATE", *numbers, ""], lines, right=numbers)


def print_addresses(console: Console, directory: DataDirectory, state: State) -> None:
    """Where to look, and with which name."""
    found = addresses(state)
    login = f"user watchfleet, password in {directory.flower_password}"
    if os.environ.get("FLOWER_BASIC_AUTH"):
        login = "user and password as FLOWER_BASIC_AUTH has them"
    lines = [
        ["Web", found["web"]],
        ["Metrics", found["metrics"]],
        ["Flower", f"{found['flower']}  ({escape(login)})"],
        ["Logs", escape(str(directory.log))],
    ]
    print_table(console, ["", ""], lines)


def _state(row: Row) -> str:
    colour = {"RUNNING": "green", "STARTING": "yellow", "STOPPING": "yellow"}.get(row.state, "red")
    return f"[{colour}]{row.state}[/]"


def _mebibytes(count: int) -> str:
    return f"{count / 1024**2:.0f} MiB"


def _span(seconds: float) -> str:
    """A length of time in its two largest units, such as `3h12m`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour}h"
    if hours:
        return f"{hours}h{minute}m"
    return f"{minutes}m{second}s" if minutes else f"{second}s"
