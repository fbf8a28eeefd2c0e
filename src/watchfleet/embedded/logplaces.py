"""Where the logs of a fleet on this machine are, and which of them supervisord rotates."""

import os
from pathlib import Path

from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.leftovers import MARK
from watchfleet.embedded.state import State
from watchfleet.embedded.supervisord import NAME
from watchfleet.errors import FleetError
from watchfleet.logs.files import LogRoot
from watchfleet.logs.options import LogOptions
from watchfleet.logs.retention import Policy
from watchfleet.logs.upkeep import Place
from watchfleet.settings import Settings


def own_places(settings: Settings) -> list[Place]:
    """Of the fleet that this process is part of."""
    supervised = os.environ.get(MARK)
    return places(settings, DataDirectory(Path(supervised)) if supervised else None)


def search_root(settings: Settings, directory: DataDirectory, chosen: Path | None = None) -> LogRoot:
    """Where to search: the directory that is named, else LOG_DIRECTORY, else that of the fleet.

    Raises:
        FleetError: There is none of them.
    """
    if chosen is not None or settings.log_directory is not None:
        return LogRoot(chosen or settings.log_directory or Path())
    state = State.load(directory)
    if state is None or not state.processes:
        raise FleetError(
            f"there are no logs: LOG_DIRECTORY is not set and there is no fleet in {directory.path}; "
            "name a --directory or a --data-dir"
        )
    return LogRoot(state.processes[0].log.parent)


def places(settings: Settings, directory: DataDirectory | None, chosen: Path | None = None) -> list[Place]:
    """The log directories, each with what may stay in it.

    Args:
        settings: LOG_DIRECTORY and the bounds.
        directory: The data directory of a fleet that `watchfleet up` runs, if one may be there.
        chosen: The one directory that is wanted instead.
    """
    options = LogOptions.of(settings)
    state = State.load(directory) if directory else None
    logs = {process.log for process in state.processes} if state else set()
    if directory and state:
        logs.add(directory.log / f"{NAME}.log")
    folders = {log.parent for log in logs} | ({options.directory.absolute()} if options.directory else set())
    if chosen:
        folders = {chosen.absolute()}
    return [
        Place(folder, Policy.of(options, (log.name for log in logs if log.parent == folder)))
        for folder in sorted(folders)
    ]
