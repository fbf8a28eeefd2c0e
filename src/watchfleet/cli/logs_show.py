"""`watchfleet logs show`, or `watchfleet logs` alone: what the processes wrote."""

import sys
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path

import click

from watchfleet.cli._fleet import data_dir_option
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.interruption import Interruption
from watchfleet.embedded.logfiles import Follower, last_lines
from watchfleet.embedded.state import State
from watchfleet.embedded.supervisord import NAME
from watchfleet.errors import FleetError
from watchfleet.logs.readable import readable

_EVERY = 0.25


@click.command()
@click.argument("names", nargs=-1, metavar="[PROCESS]...")
@data_dir_option
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on.")
@click.option(
    "--lines", "-n", default=20, show_default=True, type=click.IntRange(min=0), help="Of each file."
)
def show(names: tuple[str, ...], data_dir: Path, *, follow: bool, lines: int) -> None:
    """Show the last log lines of each PROCESS, by default of all.

    \b
    Examples:
      watchfleet logs show beat-1 -n 100
      watchfleet logs -f probes alerts
    """
    files = _chosen(names, _files(DataDirectory(data_dir)))
    prefixes = _prefixes(list(files))
    with ExitStack() as stack:
        followers = {name: stack.enter_context(closing(Follower(path))) for name, path in files.items()}
        for name, path in files.items():
            _show(prefixes[name], last_lines(path, lines))
        if follow:
            _follow(followers, prefixes)


def _show(prefix: str, lines: Iterable[str]) -> None:
    for line in lines:
        for text in readable(line):
            click.echo(prefix + text)


def _files(directory: DataDirectory) -> dict[str, Path]:
    state = State.load(directory)
    if state is None:
        raise FleetError(f"there is no fleet in {directory.path}; name its --data-dir")
    files = {process.name: process.log for process in state.processes}
    return {**files, NAME: directory.log / f"{NAME}.log"}


def _chosen(names: tuple[str, ...], files: dict[str, Path]) -> dict[str, Path]:
    unknown = [name for name in names if name not in files]
    if unknown:
        raise click.BadParameter(f"no process is named {unknown[0]}; there are {', '.join(files)}")
    return {name: files[name] for name in names} if names else files


def _prefixes(names: list[str]) -> dict[str, str]:
    """What tells whose line it is; nothing when all are of one process."""
    if len(names) == 1:
        return {names[0]: ""}
    width = max(map(len, names))
    return {name: f"{name:<{width}} | " for name in names}


def _follow(followers: dict[str, Follower], prefixes: dict[str, str]) -> None:
    with Interruption() as interruption:
        while not interruption.came(_EVERY):
            for name, follower in followers.items():
                _show(prefixes[name], follower.new_lines())
            sys.stdout.flush()
