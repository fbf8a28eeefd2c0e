"""Rows that wait to be shipped in files: a process that is killed loses none of them.

Each process writes files of its own, a line a row. A file that is full, or that is to be shipped, is sealed:
no row is added to it any more. From then on it is one batch, whose id is the file's name. It is deleted once
the broker has the batch. So whoever ships a file, and however often, ships the same rows under the same id,
which the fleet stores once.

A row is written when it is recorded. A kill leaves it in the system's cache, which only a crash of the
machine empties. A row that was cut off or damaged is recognised by its checksum and left out.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from watchfleet.instrument import spool_lines
from watchfleet.instrument.buffer import Buffer, Parcel, Row, Series, told
from watchfleet.instrument.faults import faults
from watchfleet.instrument.spool_file import ROWS, SpoolFile
from watchfleet.instrument.spool_owner import Owner, claim, dead
from watchfleet.model import Sample

LOOKS_EVERY: Final = 15.0
"""Seconds between two looks for what dead processes left."""
RETRIES_AFTER: Final = 5.0
"""Seconds for which rows stay in memory after the folder could not be written to."""


class Sealed(NamedTuple):
    """A file that is to be shipped, and whose it is."""

    path: Path
    rows: int
    owner: Owner


class Spool:
    """Rows in files, in place of a `Buffer`; while files cannot be written, rows are in one.

    Args:
        folder: Where the files are; shared by any processes of this machine.
        most_bytes: How much all files there may hold, give or take one file a process; beyond it, this
            process drops its oldest.
        memory: Keeps rows while the folder cannot be written to.
        labels: The labels of what the spool tells about itself.
    """

    def __init__(self, folder: Path, most_bytes: int, memory: Buffer, labels: dict[str, str]) -> None:
        self._folder, self._most, self._memory, self._labels = folder, most_bytes, memory, labels
        self.lock = threading.RLock()
        self.looks_every: float | None = LOOKS_EVERY
        self._owner: Owner | None = None
        self._file: SpoolFile | None = None
        self._number = 0
        self._sealed: deque[Sealed] = deque()
        self._sealed_rows = 0
        self._taken: tuple[Sealed, Parcel] | None = None
        self._dropped: Counter[str] = Counter()
        self._looked_at = self._retry_at = float("-inf")

    def __len__(self) -> int:
        written = self._file.rows if self._file else 0
        return written + self._sealed_rows + len(self._memory)

    @property
    def waiting(self) -> int:
        """How many rows are not with the broker yet."""
        return len(self) + (self._taken[1].rows if self._taken else 0)

    def append(self, row: Row) -> None:
        """Keep a row."""
        if not self._write(spool_lines.line_of(row)):
            self._memory.append(row)

    def extend(self, rows: Sequence[Sample]) -> None:
        """Keep many samples."""
        for row in rows:
            self.append(row)

    def count(self, series: Series, amount: float = 1.0) -> None:
        """Add to a count; what a file has of one series is one sample when it is shipped."""
        counted = Sample(series.name, series.labels, series.kind, time.time(), amount)
        if not self._write(spool_lines.line_of(counted, counts=True)):
            self._memory.count(series, amount)

    def settle(self, counted: Mapping[str, int]) -> None:
        """Record what was dropped, and faults by place."""
        with self.lock:
            dropped, self._dropped = self._dropped, Counter()
            for row in told(self._labels, dropped, counted):
                self.append(row)
            self._memory.settle({})

    def take(self) -> Parcel | None:
        """The next batch to ship; the same one until `done`.

        Files are read without the lock, so that nobody who records waits for it.
        """
        while self._taken is None:
            with self.lock:
                sealed = self._next()
            if sealed is None:
                return self._memory.take()
            self._read(sealed)
        return self._taken[1]

    def _read(self, sealed: Sealed) -> None:
        try:
            parcel, damaged = spool_lines.parcel_of(sealed.path)
        except OSError:
            with self.lock:
                self._put(sealed)  # it may be read another time
            raise
        for _ in range(damaged):
            faults.note("spool", f"a damaged line in {self._folder} is left out")
        if parcel is None:
            self._delete(sealed)
        else:
            self._taken = (sealed, parcel)

    def done(self) -> None:
        """Forget the batch that was taken: the broker has it."""
        if self._taken is None:
            self._memory.done()
            return
        (sealed, _), self._taken = self._taken, None
        self._delete(sealed)

    def clear(self) -> None:
        """Forget everything that this process recorded."""
        with self.lock:
            self._memory.clear()
            self._seal()
            own = [one for one in self._sealed if one.owner is self._owner]
            self._sealed = deque(one for one in self._sealed if one.owner is not self._owner)
            for sealed in own:
                self._delete(sealed)
            self.close()

    def empty(self) -> bool:
        """Whether nothing waits to be shipped."""
        return not self.waiting and not self._dropped and self._memory.empty()

    def close(self) -> None:
        """Leave what is left to whoever looks next."""
        with self.lock:
            self._seal()
            left = [*self._sealed, *([self._taken[0]] if self._taken else [])]
            owners = {one.owner for one in left} | ({self._owner} if self._owner else set())
            for owner in owners:
                owner.give_up(empty=all(one.owner is not owner for one in left))
            self._sealed.clear()
            self._sealed_rows, self._owner, self._taken = 0, None, None

    def leave(self) -> None:
        """Have no more to do with the files, which are the parent's: this process is its child."""
        if self._file is not None:
            self._file.close()
        taken = [self._taken[0]] if self._taken else []
        for owner in {one.owner for one in [*self._sealed, *taken]} | (
            {self._owner} if self._owner else set()
        ):
            owner.forget()

    # --- writing

    def _write(self, line: bytes) -> bool:
        """Whether the row is in a file."""
        if self._retry_at > time.monotonic():
            return False
        try:
            with self.lock:
                self._current().write(line)
                if self._file and self._file.full:
                    self._seal()
                    self._make_room()
        except OSError as error:
            self._retry_at = time.monotonic() + RETRIES_AFTER
            faults.note("spool", f"{self._folder} cannot be written to: rows stay in memory", error)
            return False
        return True

    def _current(self) -> SpoolFile:
        if self._file is None:
            if self._owner is None:
                self._owner, self._number = claim(self._folder), 0
            self._file = SpoolFile(self._folder / f"{self._owner.name}-{self._number:08d}{ROWS}")
            self._number += 1
        return self._file

    def _seal(self) -> None:
        if self._file is not None and self._owner is not None:
            self._file.close()
            self._put(Sealed(self._file.path, self._file.rows, self._owner))
            self._file = None

    def _put(self, sealed: Sealed) -> None:
        self._sealed.append(sealed)
        self._sealed_rows += sealed.rows

    def _pop(self) -> Sealed:
        sealed = self._sealed.popleft()
        self._sealed_rows -= sealed.rows
        return sealed

    def _make_room(self) -> None:
        """Drop the oldest files that this process has while there is too much."""
        sizes = {path: path.stat().st_size for path in self._folder.glob(f"*{ROWS}")}
        total = sum(sizes.values())
        while total > self._most and self._sealed:
            oldest = self._pop()
            total -= sizes.get(oldest.path, 0)
            self._dropped.update(spool_lines.kinds_in(oldest.path))
            self._delete(oldest)

    # --- shipping

    def _next(self) -> Sealed | None:
        if not self._sealed:
            self._seal()
        if not self._sealed and time.monotonic() - self._looked_at >= LOOKS_EVERY:
            self._looked_at = time.monotonic()
            for owner in dead(self._folder, self._owner):
                self._take_over(owner)
        return self._pop() if self._sealed else None

    def _take_over(self, owner: Owner) -> None:
        files = owner.files()
        for path in files:
            self._put(Sealed(path, spool_lines.number_in(path), owner))
        if not files:
            owner.give_up(empty=True)

    def _delete(self, sealed: Sealed) -> None:
        with self.lock:
            sealed.path.unlink(missing_ok=True)
            if sealed.owner is not self._owner and all(one.owner is not sealed.owner for one in self._sealed):
                sealed.owner.give_up(empty=True)
