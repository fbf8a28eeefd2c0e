"""Alerts that come in and are told, at times of the test's own."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from watchfleet.db.engine import transaction
from watchfleet.db.tables import outbox
from watchfleet.notify import pipeline
from watchfleet.notify.incoming import Alert, named
from watchfleet.notify.policy import Policy

START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Told:
    """Feeds a policy with alerts, and tells what comes out of it.

    Args:
        policy: Who is told of what.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._seen = 0

    def fires(self, seconds: float, channels: tuple[str, ...] | None = None, /, **labels: str) -> str:
        return self._submit(seconds, None, channels, labels)

    def ends(self, seconds: float, channels: tuple[str, ...] | None = None, /, **labels: str) -> str:
        return self._submit(seconds, at(seconds), channels, labels)

    def _submit(
        self, seconds: float, end: datetime | None, channels: tuple[str, ...] | None, labels: dict[str, str]
    ) -> str:
        found, name = named(labels)
        now = at(seconds)
        alert = Alert(name, found, {}, now if end is None else at(0), end, now, channels=channels)
        with transaction() as connection:
            pipeline.submit(connection, self.policy, [alert], now)
        return name

    def tick(self, seconds: float) -> datetime | None:
        """Look at what is due; returns when the next of these groups is."""
        with transaction() as connection:
            return pipeline.tick(connection, self.policy, at(seconds)).next_at

    def news(self) -> list[str]:
        """The rows of the outbox since the last call: who, state or reason, and the alerts."""
        with transaction() as connection:
            rows = connection.execute(
                select(outbox).where(outbox.c.id > self._seen).order_by(outbox.c.id)
            ).all()
        self._seen = max((row.id for row in rows), default=self._seen)
        return [_line(row) for row in rows]


def _line(row: Any) -> str:
    alerts = " ".join(sorted(_alert(each) for each in row.message["alerts"]))
    what = f"not told, {row.reason}" if row.state == "suppressed" else row.message["reason"]
    return f"{row.receiver}: {alerts} ({what})"


def _alert(each: dict[str, Any]) -> str:
    return f"{each['labels']['n']} {each['status']}"
