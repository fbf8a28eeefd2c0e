"""The scraper's own book of what it did, by which anyone can check what the fleet says of it."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

SCHEMA = """
CREATE TABLE IF NOT EXISTS scrape (
  id TEXT PRIMARY KEY, at REAL NOT NULL, platform TEXT NOT NULL, account TEXT NOT NULL, "group" TEXT NOT NULL,
  succeeded INTEGER NOT NULL, reason TEXT NOT NULL, duration REAL NOT NULL,
  followers INTEGER, posts INTEGER, likes INTEGER, comments INTEGER,
  reported INTEGER NOT NULL DEFAULT 0
)
"""
UNREPORTED = "CREATE INDEX IF NOT EXISTS unreported ON scrape (at) WHERE NOT reported"


def path() -> Path:
    """Where it is."""
    return Path(os.environ.get("SCRAPER_LEDGER", "ledger.sqlite3"))


def _connect() -> sqlite3.Connection:
    connection = sqlite3.connect(path(), timeout=30)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(SCHEMA)
    connection.execute(UNREPORTED)
    return connection


def write(subject: dict[str, str], duration: float, *, reason: str = "", **page: int) -> dict[str, Any]:
    """Enter one scrape; it failed when it has a reason. Returns the entry."""
    entry = {"id": uuid4().hex, "at": time.time(), **subject, "succeeded": int(not reason)}
    entry |= {"reason": reason, "duration": duration, **page}
    columns = ", ".join(f'"{name}"' for name in entry)
    with closing(_connect()) as connection, connection:
        values = ", ".join(f":{name}" for name in entry)
        connection.execute(f"INSERT INTO scrape ({columns}) VALUES ({values})", entry)
    return entry


def reported(entry: dict[str, Any]) -> None:
    """Note that the fleet was told."""
    with closing(_connect()) as connection, connection:
        connection.execute("UPDATE scrape SET reported = 1 WHERE id = ?", (entry["id"],))


def unreported(age: float) -> list[dict[str, Any]]:
    """Entries that are older than so many seconds and of which the fleet may not have been told."""
    with closing(_connect()) as connection:
        rows = connection.execute("SELECT * FROM scrape WHERE NOT reported AND at < ?", (time.time() - age,))
        return [dict(row) for row in rows]


def totals() -> list[dict[str, Any]]:
    """How many scrapes of each account succeeded and failed."""
    with closing(_connect()) as connection:
        rows = connection.execute(
            "SELECT platform, account, sum(succeeded) AS succeeded, sum(NOT succeeded) AS failed"
            " FROM scrape GROUP BY platform, account ORDER BY platform, account"
        )
        return [dict(row) for row in rows]
