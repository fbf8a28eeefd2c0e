"""The log files below a folder: found by a listing, opened by the listing's own descriptors.

A name that somebody sends is looked up among the names that were found. It never becomes part of a path, and
no symbolic link is followed, neither a file's nor a folder's.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from watchfleet.logs.errors import LogQueryError, NoSuchLogError

MOST_FILES: Final = 10_000
"""So many files of a folder are listed."""
MOST_OPENED: Final = 500
"""So many are searched at once."""
_DEEPEST: Final = 4
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LEFT_OUT: Final = (".packing", ".swp", "~")


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that was found.

    Attributes:
        name: Its path below the root, with `/`.
        parts: The same, part by part, as the listing gave them.
        size: Bytes on the disk.
        modified: Unix time of its last change.
        device: With `inode`, what it is known by when its name changes.
        inode: See `device`.
    """

    name: str
    parts: tuple[str, ...]
    size: int
    modified: float
    device: int
    inode: int

    @property
    def identity(self) -> str:
        """By what it is known when its name changes."""
        return f"{self.device:x}-{self.inode:x}"

    @property
    def packed(self) -> bool:
        """Whether it is compressed."""
        return self.name.endswith(".gz")


class LogRoot:
    """A folder of logs.

    Args:
        path: The folder, which the operator chose; the one path here that may contain links.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> list[LogFile]:
        """Every regular file below the folder, by name."""
        try:
            root = os.open(self.path, _FOLDER & ~os.O_NOFOLLOW)
        except OSError:
            return []
        try:
            found = [file for _, file in zip(range(MOST_FILES), _walk(root, ()), strict=False)]
        finally:
            os.close(root)
        return sorted(found, key=lambda file: file.name)

    def chosen(self, patterns: Iterable[str]) -> list[LogFile]:
        """The files whose name, or its last part, is one of the patterns or matches one with `*`, `?`, `[`.

        Args:
            patterns: Names or patterns; of none, every file.

        Raises:
            NoSuchLogError: A name or a pattern fits no file.
            LogQueryError: Too many files.
        """
        files, wanted = self.files(), list(patterns)
        found: dict[str, LogFile] = {}
        for pattern in wanted or ["*"]:
            fitting = [file for file in files if fits(file, pattern)]
            if not fitting and wanted:
                raise NoSuchLogError(f"no log is named {pattern!r}; /api/logs/files lists them")
            found |= {file.name: file for file in fitting}
        if len(found) > MOST_OPENED:
            raise LogQueryError(
                "file", f"{len(found)} files fit, and {MOST_OPENED} at most are searched; name fewer"
            )
        return list(found.values())

    def open(self, file: LogFile) -> int:
        """A descriptor of a file for reading.

        Raises:
            NoSuchLogError: It is gone, or something else is in its place.
        """
        opened: list[int] = []
        try:
            folder = os.open(self.path, _FOLDER & ~os.O_NOFOLLOW)
            opened.append(folder)
            for part in file.parts[:-1]:
                folder = os.open(part, _FOLDER, dir_fd=folder)
                opened.append(folder)
            descriptor = os.open(file.parts[-1], _FILE, dir_fd=folder)
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                raise LogQueryError("file", "too many files are open; name fewer") from error
            raise NoSuchLogError(f"{file.name}: {error.strerror}") from error
        finally:
            for one in opened:
                os.close(one)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NoSuchLogError(f"{file.name} is no regular file")
        return descriptor


def named(root: LogRoot, name: str) -> LogFile:
    """The one file of that name.

    Raises:
        NoSuchLogError: There is none.
    """
    for file in root.files():
        if file.name == name:
            return file
    raise NoSuchLogError(f"no log is named {name!r}")


def renamed(root: LogRoot, file: LogFile) -> LogFile | None:
    """A file under the name that it has by now; None if it is gone."""
    return next((one for one in root.files() if one.identity == file.identity), None)


def fits(file: LogFile, pattern: str) -> bool:
    """Whether a file is meant by a name or a pattern."""
    names = (file.name, file.parts[-1])
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)


def _walk(folder: int, above: tuple[str, ...]) -> Iterator[LogFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                facts = entry.stat(follow_symlinks=False)
                parts = (*above, entry.name)
                if stat.S_ISREG(facts.st_mode) and not entry.name.endswith(_LEFT_OUT):
                    yield LogFile(
                        "/".join(parts), parts, facts.st_size, facts.st_mtime, facts.st_dev, facts.st_ino
                    )
                elif stat.S_ISDIR(facts.st_mode) and len(parts) < _DEEPEST:
                    yield from _below(folder, entry.name, parts)


def _below(folder: int, name: str, parts: tuple[str, ...]) -> Iterator[LogFile]:
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=folder)
    except OSError:
        return
    try:
        yield from _walk(descriptor, parts)
    finally:
        os.close(descriptor)
