"""The environment of the fleet's processes. Addresses and passwords travel here, never on a command line."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from watchfleet.embedded import postgres, valkey
from watchfleet.embedded.demo import demo_environment
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.leftovers import MARK
from watchfleet.embedded.state import State
from watchfleet.settings import Settings, config_path

_FOR_EVERY_PROCESS: Final = {
    "PYTHONUNBUFFERED": "1",  # a log line is in its file when it was written
    "NO_COLOR": "1",  # logs go to files
}


def needs_postgres(settings: Settings) -> bool:
    """Whether no `DATABASE_URL` is given."""
    return settings.database_url is None


def needs_valkey(settings: Settings) -> bool:
    """Whether a broker or the shared cache is missing: a RabbitMQ holds no cache."""
    return settings.broker_url is None or settings.cache_url is None


def addresses(settings: Settings, state: State) -> dict[str, str]:
    """The variables that lead to the embedded servers; nothing for what the settings lead to themselves."""
    found: dict[str, str] = {}
    if needs_postgres(settings):
        found["DATABASE_URL"] = postgres.url(state.postgres_port, state.postgres_password)
    if settings.broker_url is None:
        found["BROKER_URL"] = valkey.url(state.valkey_port, state.valkey_password)
    elif settings.cache_url is None:
        found["REDIS_URL"] = valkey.url(state.valkey_port, state.valkey_password)
    return found


def environment(
    settings: Settings, state: State, directory: DataDirectory, root: Path, flower_password: str
) -> dict[str, str]:
    """Our own environment, with what the processes need beyond it.

    Their working directory is the fleet's root, so every relative path is made absolute.
    """
    own = dict(os.environ)
    return {
        **_FOR_EVERY_PROCESS,
        **own,
        **_absolute_files(own),
        **addresses(settings, state),
        **demo_environment(directory),
        **imports(root),
        "WATCHFLEET_HOME": str(root),
        "LOG_DIRECTORY": str((settings.log_directory or directory.log).absolute()),
        "FLOWER_BASIC_AUTH": own.get("FLOWER_BASIC_AUTH") or f"watchfleet:{flower_password}",
        "FLOWER_DB": str(directory.flower / "state"),
        MARK: str(directory.path),
    }


def imports(root: Path) -> dict[str, str]:
    """What lets a process import the fleet from its root, with the configuration that this process has.

    Without a configuration file there is none for it either, whatever lies in the root.
    """
    path = config_path()
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH", "")))),
        "WATCHFLEET_CONFIG": str(path.absolute() if path.exists() else os.devnull),
    }


def _absolute_files(own: Mapping[str, str]) -> dict[str, str]:
    """`DATABASE_URL_FILE=secret` and the like mean a file of the directory that we were called in."""
    names = [f"{name.upper()}_FILE" for name in Settings.model_fields]
    return {name: str(Path(own[name]).absolute()) for name in names if own.get(name)}
