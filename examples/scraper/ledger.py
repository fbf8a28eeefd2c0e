"""The scraper's own book of what it did, by which anyone can check what the fleet says of it."""

import os
import sqlite3
import time
from contextlib import closing
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS scrape (
  at REAL NOT NULL, platform TEXT NOT NULL, account TEXT NOT NULL, succeeded INTEGER NOT NULL,
  reason TEXT NOT NULL, duration REAL NOT NULL, followers INTEGER
)
"""


def _connect() -> sqlite3.Connection:
    connection = sqlite3.connect(os.environ.get("SCRAPER_LEDGER", "ledger.sqlite3"), timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(SCHEMA)
    return connection


def write(
    platform: str, account: str, duration: float, *, reason: str = "", followers: int | None = None
) -> None:
    """Enter one scrape; it failed when it has a reason."""
    row = (time.time(), platform, account, not reason, reason, duration, followers)
    with closing(_connect()) as connection, connection:
        connection.execute("INSERT INTO scrape VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def totals() -> list[dict[str, Any]]:
    """How many scrapes of each account succeeded and failed."""
    with closing(_connect()) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(
            "SELECT platform, account, sum(succeeded) AS succeeded, sum(NOT succeeded) AS failed"
            " FROM scrape GROUP BY platform, account ORDER BY platform, account"
        )
        return [dict(row) for row in rows]
