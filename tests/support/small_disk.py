"""A disk of a test's own that it may fill, where the machine allows to mount one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

_MIB = 1 << 20


class Disk:
    """What is mounted at a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def filled(self) -> Iterator[None]:
        """No byte is left while the block runs."""
        filler = self._folder / "filler"
        try:
            with FileIO(filler, "w") as file:
                for size in (_MIB, 4096):
                    _write_until_full(file, size)
            yield
        finally:
            filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Disk | None]:
    """A disk of that size at `folder`; None where it cannot be mounted, and `folder` is as it was."""
    options = f"size={mebibytes}m,mode=0755"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    allowed = os.geteuid() == 0 and shutil.which("mount") is not None
    if not allowed or subprocess.run(command, capture_output=True, timeout=30, check=False).returncode:
        yield None
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], timeout=30, check=True)


def _write_until_full(file: FileIO, size: int) -> None:
    block = bytes(size)
    with suppress(OSError):
        while file.write(block) == size:
            pass
