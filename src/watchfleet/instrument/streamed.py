"""The time that a streamed result takes: the server works on it as long as it is fetched from."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from watchfleet.instrument.faults import guarded

Ended = Callable[[float, int, BaseException | None], None]


class StreamedCursor:
    """A driver's cursor that tells, once, when nothing more is fetched from it.

    Time in which the host does something else between two fetches does not count.

    Args:
        cursor: The cursor; all that is not a fetch is its own.
        seconds: How long it took to execute.
        ended: Told the seconds in all, the rows, and what it failed with.
    """

    def __init__(self, cursor: Any, seconds: float, ended: Ended) -> None:
        self._cursor, self._seconds, self._rows = cursor, seconds, 0
        self._ended: Ended | None = ended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchone, None)

    def fetchone(self) -> Any:
        """The next row."""
        row = self._timed(self._cursor.fetchone)
        self._rows += row is not None
        return row

    def fetchmany(self, *size: int) -> Any:
        """The next rows."""
        rows = self._timed(self._cursor.fetchmany, *size)
        self._rows += len(rows)
        return rows

    def fetchall(self) -> Any:
        """All further rows."""
        rows = self._timed(self._cursor.fetchall)
        self._rows += len(rows)
        return rows

    def close(self) -> None:
        """Fetch no more."""
        self._tell(None)
        self._cursor.close()

    def _timed(self, fetch: Callable[..., Any], *size: int) -> Any:
        started, failed = time.perf_counter(), None
        try:
            return fetch(*size)
        except BaseException as error:
            failed = error
            raise
        finally:
            self._seconds += time.perf_counter() - started
            if failed is not None:
                self._tell(failed)

    @guarded("sqlalchemy.streamed")
    def _tell(self, error: BaseException | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self._seconds, self._rows, error)

    def __del__(self) -> None:
        self._tell(None)
