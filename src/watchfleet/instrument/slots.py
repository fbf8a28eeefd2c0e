"""Which of its like a process is: the lowest number that no other process of the service has on this host.

A process that takes another's place, as a pool's next child does, gets its number, so that there are as many
as processes at a time however many there ever were.
"""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import quote

MOST: Final = 1000


class Slot:
    """A number that this process holds until it ends.

    The lock belongs to the process (POSIX), so that a forked child does not hold it, too.

    Args:
        service: Among the processes of which application.
        folder: Where the locks are; by default one of this user's for temporary files.

    Raises:
        OSError: The folder is somebody else's or cannot be written to, or a thousand numbers are taken.
    """

    def __init__(self, service: str, folder: Path | None = None) -> None:
        folder = folder or Path(tempfile.gettempdir()) / f"watchfleet-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
            raise PermissionError(f"{folder} belongs to somebody else")
        for number in range(MOST):
            descriptor = os.open(
                folder / f"{quote(service, safe='')[:200]}.{number}.slot", os.O_RDWR | os.O_CREAT, 0o600
            )
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                continue
            self._descriptor, self.number = descriptor, number
            return
        raise OSError(f"{MOST} processes of {service} are running")

    def leave(self) -> None:
        """Close it; in a forked child that leaves the number with the parent."""
        os.close(self._descriptor)
