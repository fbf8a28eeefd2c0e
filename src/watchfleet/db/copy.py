"""COPY BINARY between numpy and PostgreSQL, the fastest way in and out that the server has.

A table's columns travel as one structured numpy array. What it is packed into is PostgreSQL's binary
format (documentation of COPY, "Binary Format"): big-endian, each field after its length, timestamps in
microseconds since 2000.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from psycopg2 import InterfaceError, OperationalError
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class
from sqlalchemy import Connection

EPOCH_US: Final = 946_684_800_000_000
"""PostgreSQL's epoch, 2000-01-01, in Unix microseconds."""

_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_CHUNK: Final = 1 << 20
_WIDTHS: Final = {"i4": 4, "i8": 8, "f8": 8, "ts": 8}

NULL: Final = (-1).to_bytes(4, "big", signed=True)
"""No value, as it stands on the wire."""

Column = tuple[str, str]
"""A column's name, and its type: `i4`, `i8`, `f8`, or `ts` for a timestamp in Unix microseconds."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that came out of the database.

    Attributes:
        columns: The fixed-width columns as arrays, by name.
        tails: The last column of each row, when it is of no fixed width.
    """

    columns: dict[str, NDArray[Any]]
    tails: list[bytes]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


class Layout:
    """How rows of some columns look on the wire.

    Args:
        columns: The fixed-width columns, in their order; none of them may be NULL.
        tails: How many columns of bytes follow them.
    """

    def __init__(self, columns: Sequence[Column], tails: int = 0) -> None:
        self.columns, self.tails = tuple(columns), tails
        fields: list[tuple[str, str]] = [("fields", ">i2")]
        for name, kind in columns:
            fields += [(f"len({name})", ">i4"), (name, f">{'i8' if kind == 'ts' else kind}")]
        self.dtype = np.dtype(fields)

    def pack(self, columns: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """The rows' fixed part as one structured array, ready for the wire."""
        rows = np.empty(len(next(iter(columns.values()))), self.dtype)
        rows["fields"] = len(self.columns) + self.tails
        for name, kind in self.columns:
            rows[f"len({name})"] = _WIDTHS[kind]
            rows[name] = columns[name] - EPOCH_US if kind == "ts" else columns[name]
        return rows

    def unpack(self, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The columns of such an array, in this machine's byte order."""
        columns = {name: rows[name].astype(rows[name].dtype.newbyteorder("=")) for name, _ in self.columns}
        for name, kind in self.columns:
            if kind == "ts":
                columns[name] += EPOCH_US
        return columns


def copy_in(
    connection: Connection,
    table: str,
    names: Sequence[str],
    rows: NDArray[Any],
    tails: Sequence[bytes] | None = None,
) -> None:
    """Append rows to a table, within the connection's transaction.

    Args:
        connection: An open transaction.
        table: The table's name.
        names: Its columns, as the layout has them, those of the tails last.
        rows: What `Layout.pack` made.
        tails: For each row its remaining columns, each behind its length or as `NULL`, joined.
    """
    body = rows.tobytes() if tails is None else _interleave(rows, tails)
    statement = f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT binary)"
    with raw_cursor(connection) as cursor:
        cursor.copy_expert(statement, io.BytesIO(_HEADER + body + _TRAILER), _CHUNK)


def copy_out(connection: Connection, query: str, parameters: dict[str, Any], layout: Layout) -> Rows:
    """What a query gives, as arrays.

    Args:
        connection: An open transaction.
        query: The query, with psycopg2's `%(name)s` for parameters. It gives the layout's columns, none
            of them NULL.
        parameters: The parameters.
        layout: The columns, with one tail at most.
    """
    received = _Received() if layout.tails else io.BytesIO()
    with raw_cursor(connection) as cursor:
        statement = f"COPY ({cursor.mogrify(query, parameters).decode()}) TO STDOUT (FORMAT binary)"
        cursor.copy_expert(statement, cast("io.BytesIO", received))
    width = layout.dtype.itemsize
    if isinstance(received, io.BytesIO):
        body = received.getbuffer()[len(_HEADER) : -len(_TRAILER)]
        return Rows(layout.unpack(np.frombuffer(body, layout.dtype)), [])
    rows = received.rows()
    heads = np.frombuffer(b"".join([row[:width] for row in rows]), layout.dtype)
    return Rows(layout.unpack(heads), [row[width + 4 :] for row in rows])


class _Received:
    """The file that psycopg2 writes to, one row at a time."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.write = self.chunks.append  # called for each row: no Python frame between

    def rows(self) -> list[bytes]:
        """The rows, without the header before the first and the trailer behind the last."""
        chunks = self.chunks
        chunks[0] = chunks[0][len(_HEADER) :]
        chunks[-1] = chunks[-1].removesuffix(_TRAILER)
        return [chunk for chunk in chunks if chunk]


def _interleave(rows: NDArray[Any], tails: Sequence[bytes]) -> bytes:
    width, packed = rows.dtype.itemsize, rows.tobytes()
    heads = [packed[start : start + width] for start in range(0, len(packed), width)]
    return b"".join([part for pair in zip(heads, tails, strict=True) for part in pair])


@contextmanager
def raw_cursor(connection: Connection) -> Iterator[Cursor]:
    """A cursor beneath SQLAlchemy, which therefore must be told when the server is gone."""
    raw = connection.connection
    try:
        with closing(raw.cursor()) as cursor:
            yield cast("Cursor", cursor)
    except (OperationalError, InterfaceError) as error:
        if raw.dbapi_connection is None or cast("Any", raw.dbapi_connection).closed:
            connection.invalidate(error)
        raise
