"""What ingest turned away: each with its reason, counted in full, kept as examples."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, text

MOST_KEPT: Final = 100
"""How many of one batch are kept; the others are only counted."""

_LONGEST: Final = 200
_MOST_ITEMS: Final = 10


class Rejects:
    """Those of one batch."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._kept: list[tuple[str, str]] = []

    @property
    def room(self) -> int:
        """How many more are kept."""
        return max(0, MOST_KEPT - len(self._kept))

    @property
    def total(self) -> int:
        """How many there were."""
        return self.counts.total()

    def count(self, reason: str, times: int = 1) -> None:
        """Count rejects that are not kept."""
        if times:
            self.counts[reason] += times

    def keep(self, reason: str, example: Mapping[str, Any]) -> None:
        """Keep one as an example, if there is room."""
        if self.room:
            self._kept.append((reason, json.dumps({name: plain(value) for name, value in example.items()})))

    def save(self, connection: Connection, batch_id: str) -> None:
        """Write the examples down."""
        if not self._kept:
            return
        connection.execute(
            text(
                "INSERT INTO ingest_rejects (batch_id, reason, sample)"
                " SELECT :batch_id, reason, sample::jsonb"
                " FROM unnest(CAST(:reasons AS text[]), CAST(:samples AS text[])) AS kept (reason, sample)"
            ),
            {
                "batch_id": batch_id,
                "reasons": [reason for reason, _ in self._kept],
                "samples": [sample for _, sample in self._kept],
            },
        )


def plain(value: Any) -> Any:
    """A value of any kind as short JSON that PostgreSQL takes; what JSON has no form for becomes text."""
    if isinstance(value, dict):
        items = list(value.items())[:_MOST_ITEMS]
        return {storable(str(name)): storable(str(content)) for name, content in items}
    if value is None or isinstance(value, bool | int):
        return value if abs(value or 0) < 1 << 63 else storable(str(value))
    return storable(str(value))


def storable(content: str) -> str:
    """The start of a text, without what PostgreSQL cannot keep."""
    return content[:_LONGEST].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
