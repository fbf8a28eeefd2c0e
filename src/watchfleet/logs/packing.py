"""Compress rotated log files, but for the newest generation of each log."""

import gzip
import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from watchfleet.logs.generations import stamped
from watchfleet.logs.retention import Kept, is_written, kept, open_kept

_LEVEL: Final = 6
_BLOCK: Final = 256 * 1024
_SUFFIX: Final = ".packing"


@dataclass(frozen=True, slots=True)
class Packed:
    """A file that was compressed.

    Attributes:
        name: Its new name.
        before: Its size before, in bytes.
        after: Its size now.
    """

    name: str
    before: int
    after: int


def pack(directory: int, numbered: Collection[str]) -> list[Packed]:
    """Compress every generation but the newest of each log, which late writers may still have open.

    A file that supervisord numbered gets the time of its last line as its name first: from then on it is out
    of supervisord's way.

    Args:
        directory: The descriptor that `retention.locked` gave.
        numbered: The live files whose generations supervisord numbers.
    """
    _remove_halves(directory)
    return [packed for file in _older(kept(directory, numbered)) if (packed := _pack_one(directory, file))]


def _older(found: list[Kept]) -> list[Kept]:
    """What is not packed yet, without the newest generation of each log."""
    newest: dict[str, Kept] = {}
    for file in sorted(found, key=lambda one: (one.ended, one.name)):
        newest[file.generation.live] = file
    return [file for file in found if not file.generation.packed and file is not newest[file.generation.live]]


def _pack_one(directory: int, file: Kept) -> Packed | None:
    source = open_kept(directory, file)
    if source is None:
        return None
    try:
        if is_written(source):
            return None
        name = _renamed(directory, file) if file.generation.numbered else file.name
        return _compressed(directory, source, name)
    finally:
        os.close(source)


def _renamed(directory: int, file: Kept) -> str:
    name = stamped(file.generation.live, file.ended)
    os.rename(file.name, name, src_dir_fd=directory, dst_dir_fd=directory)
    return name


def _compressed(directory: int, source: int, name: str) -> Packed | None:
    facts, half = os.fstat(source), name + _SUFFIX
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    target = os.open(half, flags, facts.st_mode & 0o777, dir_fd=directory)
    with os.fdopen(target, "wb") as raw:
        with (
            os.fdopen(os.dup(source), "rb") as plain,
            gzip.GzipFile("", "wb", _LEVEL, raw, mtime=facts.st_mtime) as file,
        ):
            shutil.copyfileobj(plain, file, _BLOCK)
        raw.flush()
        os.fsync(target)
        os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        size = os.fstat(target).st_size
    if os.fstat(source).st_size != facts.st_size:  # somebody wrote to it meanwhile
        os.unlink(half, dir_fd=directory)
        return None
    os.rename(half, f"{name}.gz", src_dir_fd=directory, dst_dir_fd=directory)
    os.unlink(name, dir_fd=directory)
    return Packed(f"{name}.gz", facts.st_size, size)


def _remove_halves(directory: int) -> None:
    """What a process that was killed left behind; only we write such names, and under this lock."""
    for name in os.listdir(directory):
        if name.endswith(_SUFFIX) and name.removesuffix(_SUFFIX).partition(".log.")[2]:
            with suppress(OSError):
                os.unlink(name, dir_fd=directory)
