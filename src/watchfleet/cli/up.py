"""`watchfleet up` and `watchfleet down`: the whole fleet on one machine."""

import sys
import time
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape

from watchfleet import __version__
from watchfleet.cli._console import ConsoleProgress, make_console
from watchfleet.cli._fleet import addresses, data_dir_option, print_addresses, print_purposes
from watchfleet.cli._root import fleet_root
from watchfleet.embedded import report
from watchfleet.embedded.directory import DataDirectory, claim, claimant
from watchfleet.embedded.interruption import Interruption, SignalReceivedError
from watchfleet.embedded.omissions import omissions
from watchfleet.embedded.shutdown import bring_down
from watchfleet.embedded.startup import Launch, Wishes
from watchfleet.embedded.state import DEFAULT_FLOWER_PORT, DEFAULT_WEB_PORT, State
from watchfleet.errors import FleetError
from watchfleet.settings import get_settings

_PORT: Final = click.IntRange(0, 65535)


@click.command()
@data_dir_option
@click.option(
    "--port", type=_PORT, help=f"The web process's port; 0 takes any. By default {DEFAULT_WEB_PORT}."
)
@click.option(
    "--flower-port", type=_PORT, help=f"Flower's port; 0 takes any. By default {DEFAULT_FLOWER_PORT}."
)
@click.option("--detach", "-d", is_flag=True, help="Run in the background.")
@click.option("--wait", is_flag=True, help="Fail, and stop everything, unless it is healthy in time.")
@click.option("--demo", is_flag=True, help="Run the example application, too.")
@click.option("--timeout", default=120.0, show_default=True, help="Seconds until it must be healthy.")
def up(data_dir: Path, *, detach: bool, wait: bool, **wishes: Any) -> None:
    """Run the whole fleet on this machine.

    PostgreSQL and Valkey come with it unless DATABASE_URL and BROKER_URL are set. Everything is restarted
    when it ends. In the foreground Ctrl-C stops it all; with --detach this returns when all is started, and
    with --wait when every process runs, /health/ready answers 200 and Flower knows every worker.

    \b
    Examples:
      watchfleet up
      watchfleet up --wait --detach --data-dir /var/lib/watchfleet --port 8080
    """
    console = make_console()
    with Interruption() as interruption:
        root, settings = fleet_root(), get_settings()
        directory = DataDirectory(data_dir)
        directory.prepare()
        with claim(directory, "up") as lock:
            if lock is None:
                raise FleetError(_in_use(directory))
            launch = Launch(
                directory=directory,
                root=root,
                settings=settings,
                wishes=Wishes(detach=detach, **wishes),
                progress=ConsoleProgress(console),
                interruption=interruption,
            )
            console.print(f"watchfleet {__version__} in {directory.path}")
            for fault in omissions():
                console.print(f"[yellow]{'warn':>6}[/]  Configuration: {escape(fault)}", soft_wrap=True)
            sys.exit(_run(launch, lock, console, wait=wait))


@click.command()
@data_dir_option
def down(data_dir: Path) -> None:
    """Stop the fleet: the workers first, then the servers. What they wrote stays.

    \b
    Examples:
      watchfleet down
      watchfleet down --data-dir /var/lib/watchfleet
    """
    console = make_console()
    directory = DataDirectory(data_dir)
    began = time.monotonic()
    try:
        with Interruption() as interruption:
            ended = bring_down(directory, ConsoleProgress(console), interruption)
    except SignalReceivedError as error:
        console.print(f"{error}: the fleet goes on stopping by itself.")
        sys.exit(128 + error.signum)
    if not ended:
        console.print(f"Nothing runs in {directory.path}.")
        return
    console.print(f"Stopped in {time.monotonic() - began:.1f} s; the data stays in {directory.path}.")


def _run(launch: Launch, lock: int, console: Console, *, wait: bool) -> int:
    """Start and, in the foreground, stay; whatever ends it, nothing is left running unless detached.

    Returns:
        The exit code.
    """
    try:
        launch.prepare()
        launch.run(lock)
        if wait or not launch.wishes.detach:
            _await_health(launch, console, wait=wait)
        _print(launch, console)
        if launch.wishes.detach:
            launch.interruption.finish()
            return 0
        return _stay(launch, console)
    except SignalReceivedError as error:
        console.print(f"{error}: stopping ... (once more kills)")
        launch.stop()
        return 128 + error.signum if launch.wishes.detach else 0
    except BaseException:
        launch.stop()
        raise


def _await_health(launch: Launch, console: Console, *, wait: bool) -> None:
    """In the foreground without --wait, what is not healthy is shown, and may become so."""
    try:
        launch.await_health()
    except FleetError as error:
        if wait or launch.has_ended():
            raise
        console.print(f"[yellow]{error}[/]")


def _stay(launch: Launch, console: Console) -> int:
    console.print("\nCtrl-C stops it; `watchfleet logs -f` in another terminal follows it.")
    while not launch.has_ended():
        launch.interruption.pause(1)
    launch.stop()
    if launch.ended_by_order():
        console.print("supervisord was told to stop.")
        return 0
    raise FleetError(f"supervisord ended unexpectedly, and all else was stopped: see {launch.directory.log}")


def _print(launch: Launch, console: Console) -> None:
    print_purposes(console, report.rows(launch.directory, launch.state))
    print_addresses(console, launch.directory, launch.state)


def _in_use(directory: DataDirectory) -> str:
    by, state = claimant(directory), State.load(directory)
    if state is not None and report.supervisor_of(directory, state).answers():
        return (
            f"a fleet runs in {directory.path} already: {addresses(state)['web']}; "
            "see `watchfleet status`, stop it with `watchfleet down`"
        )
    who = f"`watchfleet {by.command}` (pid {by.pid})" if by else "another command"
    return f"{who} is starting or stopping a fleet in {directory.path}: wait for it, or `watchfleet down`"
