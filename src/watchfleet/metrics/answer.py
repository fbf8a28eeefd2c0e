"""The forms that answers have, on the command line and over HTTP alike."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def isoformat(at: datetime | None) -> str | None:
    """An instant for programs, in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat()


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as RFC 4180 has them, the names of the columns first; nothing where there is no row."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()
