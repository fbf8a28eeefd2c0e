"""Where the fleet's own files are: `celeryconfig.py`, `workers/`, `migrations/`."""

import os
from pathlib import Path

import watchfleet
from watchfleet.errors import FleetError


def fleet_root() -> Path:
    """The folder that the fleet's processes start in.

    It is `WATCHFLEET_HOME`; else the working directory; else the checkout that an editable installation
    points to. Whichever it is holds `celeryconfig.py` and `workers/`.

    Raises:
        FleetError: None of them does; or `WATCHFLEET_HOME` is set and does not.
    """
    home = os.environ.get("WATCHFLEET_HOME")
    if home:
        return _named(Path(home))
    for folder in (Path.cwd(), _checkout()):
        if is_root(folder):
            return folder
    raise FleetError(
        f"the fleet's files are not here: {Path.cwd()} holds no celeryconfig.py and workers/. "
        "The installed package is the library alone; run this in a checkout of watchfleet, "
        "or set WATCHFLEET_HOME to one"
    )


def is_root(folder: Path) -> bool:
    """Whether a folder holds the fleet's files."""
    return (folder / "celeryconfig.py").is_file() and (folder / "workers").is_dir()


def _named(home: Path) -> Path:
    if not is_root(home):
        raise FleetError(
            f"WATCHFLEET_HOME={home} holds no celeryconfig.py and workers/: "
            "set it to a checkout of watchfleet, or unset it"
        )
    return home.resolve()


def _checkout() -> Path:
    """`<checkout>/src/watchfleet/__init__.py`, if the installation is an editable one."""
    return Path(watchfleet.__file__).resolve().parents[2]
