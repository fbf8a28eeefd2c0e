"""The data directory: everything that a fleet on one machine keeps, for one fleet at a time."""

import errno
import fcntl
import json
import os
import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from watchfleet.errors import FleetError

_OURS: Final = frozenset(
    {
        "demo",
        "fleet.json",
        "flower",
        "flower.password",
        "log",
        "lock",
        "postgres",
        "postgres.new",
        "supervisord.conf",
        "supervisord.pid",
        "supervisord.sock",
        "valkey",
    }
)


class DataDirectory:
    """Where each thing lies in the data directory.

    Args:
        path: The directory, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.state = self.path / "fleet.json"
        self.lock = self.path / "lock"
        self.log = self.path / "log"
        self.postgres = self.path / "postgres"
        self.valkey = self.path / "valkey"
        self.flower = self.path / "flower"
        self.demo = self.path / "demo"
        self.flower_password = self.path / "flower.password"
        self.configuration = self.path / "supervisord.conf"
        self.pid = self.path / "supervisord.pid"

    def prepare(self) -> None:
        """Make the directory, private to this user; one of ours is left as it is.

        Raises:
            FleetError: It cannot be made or written, holds other things, or is another user's.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.check()
            self.path.chmod(0o700)
            for folder in (self.log, self.flower, self.demo):
                folder.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError as error:
            raise FleetError(f"{error.filename} is no folder: name another with --data-dir") from error
        except OSError as error:
            raise FleetError(
                f"{error.filename}: {error.strerror}; name a folder with --data-dir that "
                f"{_user(os.geteuid())} may write"
            ) from error

    def check(self) -> None:
        """Refuse what is not ours: a mistyped --data-dir must not make somebody's folder private, or fill it.

        Raises:
            FleetError: The existing directory is another user's, or holds other things.
            OSError: It cannot be read or written.
        """
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path))
        found = {entry.name for entry in self.path.iterdir()}
        if self.state.exists():
            owner = self.state.stat().st_uid
            if owner != os.geteuid():
                raise FleetError(
                    f"{self.path} belongs to the fleet of {_user(owner)}: run this as {_user(owner)}, "
                    "or name another --data-dir"
                )
        elif others := sorted(found - _OURS):
            raise FleetError(
                f"{self.path} holds other things ({', '.join(others[:3])}) and no fleet: "
                "name a new or an empty folder with --data-dir"
            )


@dataclass(frozen=True, slots=True)
class Claimant:
    """The command that took a data directory's lock.

    Attributes:
        command: `up` or `down`.
        pid: Its pid.
        started: When it started, by which its pid cannot be mistaken for a later process's.
    """

    command: str
    pid: int
    started: float

    def lives(self) -> bool:
        """Whether it still runs; a detached fleet's `up` does not."""
        try:
            return bool(psutil.Process(self.pid).create_time() == self.started)
        except psutil.Error:
            return False


@contextmanager
def claim(directory: DataDirectory, command: str) -> Iterator[int | None]:
    """Hold the directory's lock and yield its descriptor; yield None if another process holds it.

    The lock belongs to the descriptor: supervisord inherits it and holds it as long as it lives.

    Args:
        directory: What to claim.
        command: Who claims it, for `claimant`.

    Raises:
        FleetError: The lock cannot be opened.
    """
    descriptor = _open(directory.lock)
    try:
        if not _locked(descriptor):
            yield None
            return
        ours = Claimant(command, os.getpid(), psutil.Process().create_time())
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(ours)).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def claimant(directory: DataDirectory) -> Claimant | None:
    """The command that took the lock last, if one did."""
    try:
        return Claimant(**json.loads(directory.lock.read_text(encoding="ascii")))
    except (OSError, ValueError, TypeError):
        return None


def is_claimed(directory: DataDirectory) -> bool:
    """Whether a fleet runs, starts or stops in the directory."""
    try:
        with directory.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        raise FleetError(f"{directory.lock}: {error.strerror}; run this as the fleet's user") from error
    return False


def _open(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FleetError(f"{lock}: {error.strerror}; run this as the fleet's user") from error


def _locked(descriptor: int) -> bool:
    for _ in range(5):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.05)  # `is_claimed` holds it for an instant, too
    return False


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
