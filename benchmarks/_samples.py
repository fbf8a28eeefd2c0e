"""Samples by the million, and the ways into PostgreSQL that do not go through us."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg2
from psycopg2.extensions import connection as Raw  # noqa: N812 - it is a class
from sqlalchemy import text

from watchfleet.db import partitions
from watchfleet.db.copy import EPOCH_US, Layout
from watchfleet.db.engine import get_engine, transaction

DAY = 86_400_000_000
LAYOUT = Layout([("series_id", "i4"), ("ts", "ts"), ("value", "f8")])
NAMES = ("series_id", "ts", "value")


def midnight(days_ago: int = 1) -> datetime:
    """The start of a UTC day."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


def columns(start: datetime, span: int, count: int, series: int, seed: int = 0) -> dict[str, Any]:
    """Samples in the order of their arrival: every series in turn, evenly over `span` microseconds."""
    rng = np.random.default_rng(seed)
    begin = int(start.timestamp()) * 1_000_000
    return {
        "series_id": np.arange(count) % series + 1,
        "ts": begin + np.arange(count) * span // count,
        "value": rng.lognormal(3, 1, count),
    }


def register(series: int, kinds: tuple[str, ...] = ("gauge",)) -> None:
    """Make series 1 ... n, of each kind in turn."""
    with transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO series (fingerprint, name, labels, kind) SELECT gen_random_uuid(), 'bench',"
                " jsonb_build_object('n', n), (CAST(:kinds AS text[]))[n % :many + 1]"
                " FROM generate_series(1, :series) AS n"
            ),
            {"series": series, "kinds": list(kinds), "many": len(kinds)},
        )


def load(rows: dict[str, Any]) -> None:
    """Copy samples into the store's table, without marks."""
    days = {
        datetime.fromtimestamp(int(at) // 1_000_000, UTC).date() for at in np.unique(rows["ts"] // DAY * DAY)
    }
    partitions.ensure(get_engine(), partitions.SAMPLES, days)
    with transaction() as connection:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, Raw)
        bare_copy(raw, "samples", rows)


def bare_copy(connection: Raw, table: str, rows: dict[str, Any]) -> None:
    """COPY BINARY of numpy-packed rows and nothing else: the fastest way in that psycopg2 has."""
    packed = np.empty(len(rows["ts"]), LAYOUT.dtype)
    packed["fields"], packed["len(series_id)"], packed["len(ts)"], packed["len(value)"] = 3, 4, 8, 8
    packed["series_id"], packed["ts"], packed["value"] = (
        rows["series_id"],
        rows["ts"] - EPOCH_US,
        rows["value"],
    )
    body = b"PGCOPY\n\xff\r\n\x00" + bytes(8) + packed.tobytes() + b"\xff\xff"
    with connection.cursor() as cursor:
        statement = f"COPY {table} (series_id, ts, value) FROM STDIN (FORMAT binary)"
        cursor.copy_expert(statement, io.BytesIO(body), 1 << 20)


def connect(url: str) -> Raw:
    """A connection beside SQLAlchemy."""
    return psycopg2.connect(url, options="-c timezone=UTC")


def run(connection: Raw, *statements: str) -> None:
    """Execute statements in one transaction."""
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def vacuum(connection: Raw, *tables: str) -> None:
    """What autovacuum does on a day like any other."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"VACUUM ANALYZE {table}")
    connection.autocommit = False
