"""Commands that ask the store or the broker find those of the fleet that runs here."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from watchfleet.errors import WatchfleetError

DATA_DIR: Final = "WATCHFLEET_DATA_DIR"
"""The variable that says where a fleet of `watchfleet up` keeps everything."""
DEFAULT_DATA_DIR: Final = ".watchfleet"


def reach_running_fleet() -> None:
    """Have this process use the servers of the fleet that runs here, where its settings name none.

    Without one, or with settings that cannot be used, nothing changes: the command itself says what it lacks.
    """
    path = Path(os.environ.get(DATA_DIR) or DEFAULT_DATA_DIR)
    if os.access(path / "fleet.json", os.R_OK):
        with suppress(WatchfleetError):
            _reach(path)


def _reach(path: Path) -> None:
    from watchfleet.embedded.directory import DataDirectory, is_claimed  # noqa: PLC0415 - 0.3 s where no fleet runs
    from watchfleet.embedded.environment import addresses  # noqa: PLC0415 - likewise
    from watchfleet.embedded.state import State  # noqa: PLC0415 - likewise
    from watchfleet.settings import get_settings  # noqa: PLC0415 - likewise

    directory = DataDirectory(path)
    state = State.load(directory)
    if state is not None and is_claimed(directory):
        os.environ |= addresses(get_settings(), state)
        get_settings.cache_clear()
