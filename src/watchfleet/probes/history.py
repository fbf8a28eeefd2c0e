"""Every status that targets were of, and when: what incidents and uptime are told from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from watchfleet.model import Status
from watchfleet.probes.health import STALE_AFTER
from watchfleet.probes.standings import Move
from watchfleet.probes.uptime import DAY, Uptime, filled

NOT_CHECKED: Final = "not_checked"
"""The reason for a time in which nobody looked."""
AFFECTED: Final = (Status.DOWN, Status.DEGRADED)
"""Statuses in which people were affected, or may have been."""
MOST: Final = 50_000
"""Rows that are read at once, and that one run deletes; the next one goes on."""

_END: Final = text(
    "UPDATE probe_status AS old SET ended_at = greatest(old.started_at, new.at)"
    " FROM unnest(CAST(:names AS text[]), CAST(:ends AS timestamptz[])) AS new (name, at)"
    " WHERE old.target = new.name AND old.ended_at IS NULL"
)
_BEGIN: Final = text(
    "INSERT INTO probe_status (target, status, started_at, ended_at, reason, detail, answer)"
    " SELECT * FROM unnest(CAST(:targets AS text[]), CAST(:statuses AS text[]),"
    " CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]), CAST(:reasons AS text[]),"
    " CAST(:details AS text[]), CAST(:answers AS text[]))"
)
_END_OTHERS: Final = text(
    "UPDATE probe_status SET ended_at = greatest(started_at, :now)"
    " WHERE ended_at IS NULL AND target <> ALL(CAST(:names AS text[]))"
)
_KNOWN: Final = (
    "WITH known AS (SELECT span.*, ended_at IS NULL AS is_open, coalesce(ended_at, greatest(started_at,"
    " least(:until, coalesce(checked_at + :stale_after * make_interval(secs => interval_seconds),"
    " started_at)))) AS known_until FROM probe_status AS span"
    " LEFT JOIN (SELECT name, checked_at, interval_seconds FROM probe_target) AS target ON name = span.target"
    " WHERE (CAST(:names AS text[]) IS NULL OR span.target = ANY(:names))"
    " AND coalesce(ended_at, 'infinity') > :since AND started_at < :until) "
)
"""What reaches into a time, and until when it is known: an open status, as long as its last check speaks."""
_SPANS: Final = text(
    f"{_KNOWN}"  # noqa: S608 - ours
    "SELECT * FROM (SELECT * FROM known ORDER BY is_open DESC, started_at DESC, id DESC LIMIT :most)"
    " AS newest ORDER BY target, started_at, id"
)
_INCIDENTS: Final = text(
    f"{_KNOWN}"  # noqa: S608 - ours
    "SELECT * FROM known WHERE status = ANY(:affected) ORDER BY started_at DESC, id DESC LIMIT :most"
)
_DAYS: Final = text(
    f"{_KNOWN}"  # noqa: S608 - ours
    "SELECT target, status, day,"
    " sum(least(ends, (day + 1) * 86400) - greatest(begins, day * 86400)) AS seconds"
    " FROM (SELECT target, status, greatest(0, extract(epoch FROM started_at - :since)::float8) AS begins,"
    " extract(epoch FROM least(known_until, :until) - :since)::float8 AS ends FROM known) AS part,"
    " generate_series(floor(begins / 86400)::int, ceil(ends / 86400)::int - 1) AS day"
    " GROUP BY target, status, day"
)
_NAMES: Final = text("SELECT DISTINCT target FROM probe_status ORDER BY target")
_PRUNE: Final = text(
    "DELETE FROM probe_status WHERE id IN"
    " (SELECT id FROM probe_status WHERE ended_at < :before ORDER BY id LIMIT :most)"
)


@dataclass(frozen=True, slots=True)
class Interval:
    """A time in which a target was of one status.

    Attributes:
        target: Its name.
        status: What it was.
        start: From when.
        end: Until when; of one that has not ended, as long as its last check speaks for it.
        is_open: Whether it has not ended.
        reason: Why it was not up.
        detail: One line for people.
        answer: What it answered to the first check that showed it, cut off and redacted.
    """

    target: str
    status: Status
    start: datetime
    end: datetime
    is_open: bool
    reason: str = ""
    detail: str = ""
    answer: str = ""

    @property
    def is_incident(self) -> bool:
        """Whether people were affected, or may have been."""
        return self.status in AFFECTED


def note(connection: Connection, moves: Iterable[Move]) -> None:
    """Write down each status that begins, and the end of the one before.

    Args:
        connection: The transaction that changes the standings.
        moves: What became of targets.
    """
    begun = [move for move in moves if move.changed or _gap(move) is not None]
    if not begun:
        return
    ends = [_gap(move) or move.result.checked_at for move in begun]
    connection.execute(_END, {"names": [move.target.name for move in begun], "ends": ends})
    rows = [row for move in begun for row in _rows(move)]
    names = ("targets", "statuses", "starts", "ends", "reasons", "details", "answers")
    connection.execute(
        _BEGIN, {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    )


def _gap(move: Move) -> datetime | None:
    """From when on nobody looked at a target before this check; its own time if it is the first."""
    last, at = move.before.checked_at, move.result.checked_at
    if last is None:
        return at
    return last + move.target.interval if at - last > STALE_AFTER * move.target.interval else None


def _rows(move: Move) -> Iterator[tuple[Any, ...]]:
    at, name, now = move.result.checked_at, move.target.name, move.now
    gap = _gap(move)
    if gap is not None and gap < at:
        yield name, str(Status.UNKNOWN), gap, at, NOT_CHECKED, "", ""
    answer = move.result.answer if now.reason == move.result.reason else ""
    yield name, str(now.status), at, None, now.reason, now.detail, answer


def end_others(connection: Connection, names: Sequence[str], now: datetime) -> None:
    """End what is known of targets that are configured no more; it stays in the history."""
    connection.execute(_END_OTHERS, {"names": list(names), "now": now})


def intervals(
    connection: Connection, since: datetime, until: datetime, names: Sequence[str] | None = None
) -> dict[str, list[Interval]]:
    """The statuses of targets between two times, whole, by name and in order.

    So many at most: those that have not ended, then the newest.

    Args:
        connection: Where to look.
        since: What ended before is left out.
        until: The present, or a time before it.
        names: Of which targets; None for all, also those that are configured no more.
    """
    found: dict[str, list[Interval]] = {}
    values = {**_within(since, until, names), "most": MOST}
    for row in connection.execute(_SPANS, values):
        found.setdefault(row.target, []).append(_interval(row))
    return found


def incidents(
    connection: Connection, since: datetime, until: datetime, names: Sequence[str], most: int
) -> list[Interval]:
    """When targets were down or degraded between two times, the newest first, and so many at most."""
    values = {**_within(since, until, names), "affected": list(map(str, AFFECTED)), "most": most}
    return list(map(_interval, connection.execute(_INCIDENTS, values)))


def daily(
    connection: Connection, first: datetime, days: int, until: datetime, names: Sequence[str]
) -> dict[str, list[Uptime]]:
    """The uptime of targets on each of some days that follow each other, by name.

    The store adds the times up: what is read grows with the targets, and not with how often they changed.

    Args:
        connection: Where to look.
        first: When the first day begins.
        days: How many.
        until: The present, on one of the days or after them; what lies beyond it is unknown.
        names: Of which targets.
    """
    end = min(until, first + days * DAY)
    found = {name: [dict.fromkeys(Status, 0.0) for _ in range(days)] for name in names}
    for row in connection.execute(_DAYS, _within(first, end, names)):
        found[row.target][row.day][Status(row.status)] = row.seconds
    return {name: [filled(seconds, DAY) for seconds in of_days] for name, of_days in found.items()}


def _within(since: datetime, until: datetime, names: Sequence[str] | None) -> dict[str, Any]:
    listed = None if names is None else list(names)
    return {"names": listed, "since": since, "until": until, "stale_after": STALE_AFTER}


def names(connection: Connection) -> list[str]:
    """Of which targets anything is known."""
    return list(connection.scalars(_NAMES))


def prune(connection: Connection, before: datetime) -> int:
    """Delete what ended before that time; returns how many rows, so many at most."""
    return connection.execute(_PRUNE, {"before": before, "most": MOST}).rowcount


def _interval(row: "Row[Any]") -> Interval:
    return Interval(
        row.target,
        Status(row.status),
        row.started_at,
        row.known_until,
        row.is_open,
        row.reason,
        row.detail,
        row.answer,
    )
