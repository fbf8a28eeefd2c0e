"""Where targets stand, in the store: brought up to date by what a batch found, and soon looked at again."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, text

from watchfleet.model import ProbeResult, Status
from watchfleet.probes.probe import Target
from watchfleet.probes.standing import Standing, after

PARENT_PATIENCE: Final = timedelta(seconds=2)
"""When a target is checked again whose failure waits for a check of a parent."""

_FIELDS: Final = (
    "status, status_since, reason, detail, checked_at, failures, excused, successes, failing_since"
)
_LOCKED: Final = text(
    f"SELECT name, {_FIELDS} FROM probe_target WHERE name = ANY(:names)"  # noqa: S608 - names of our own
    " ORDER BY name FOR UPDATE"
)
_READ: Final = text(f"SELECT name, {_FIELDS} FROM probe_target WHERE name = ANY(:names)")  # noqa: S608 - likewise
_SAVE: Final = text(
    "UPDATE probe_target AS old SET status = new.status, status_since = new.since, reason = new.reason,"
    " detail = new.detail, checked_at = new.checked_at, failures = new.failures, excused = new.excused,"
    " successes = new.successes, failing_since = new.failing_since, recheck_at = new.recheck_at"
    " FROM unnest(CAST(:names AS text[]), CAST(:statuses AS text[]), CAST(:since AS timestamptz[]),"
    " CAST(:reasons AS text[]), CAST(:details AS text[]), CAST(:checked AS timestamptz[]),"
    " CAST(:failures AS int[]), CAST(:excused AS int[]), CAST(:successes AS int[]),"
    " CAST(:failing AS timestamptz[]), CAST(:rechecks AS timestamptz[]))"
    " AS new (name, status, since, reason, detail, checked_at, failures, excused, successes, failing_since,"
    " recheck_at) WHERE old.name = new.name"
)
_HURRY: Final = text(
    "UPDATE probe_target SET recheck_at = :now WHERE name = ANY(:names) AND recheck_at IS DISTINCT FROM :now"
)


class Move(NamedTuple):
    """What a check made of a target's standing.

    Attributes:
        target: The target.
        result: What the check found.
        before: Where it stood.
        now: Where it stands.
    """

    target: Target
    result: ProbeResult
    before: Standing
    now: Standing

    @property
    def changed(self) -> bool:
        """Whether its status is another."""
        return self.before.status is not self.now.status


def advance(connection: Connection, found: Iterable[tuple[Target, ProbeResult]], now: datetime) -> list[Move]:
    """Bring the standing of targets up to date; returns what became of each that a result is news of.

    A standing never goes back in time, and a batch that comes twice changes nothing the second time.

    Args:
        connection: A transaction.
        found: Targets, and what their checks found.
        now: The present.
    """
    results = {target.name: (target, result) for target, result in found}
    known = _load(connection, results)
    moves: dict[str, Move] = {}
    for name in _parents_first(results):
        target, result = results[name]
        before = known.get(name)
        if before is None or (before.checked_at is not None and result.checked_at <= before.checked_at):
            continue
        parents = [(parent, known[parent]) for parent in target.depends_on if parent in known]
        known[name] = after(before, target, result, parents)
        moves[name] = Move(target, result, before, known[name])
    if moves:
        _save(connection, list(moves.values()))
        _hurry(connection, moves.values(), known, now)
    return list(moves.values())


def _load(connection: Connection, results: Mapping[str, tuple[Target, ProbeResult]]) -> dict[str, Standing]:
    """The standings of a batch's targets, locked, and of those that they depend on."""
    rows = list(connection.execute(_LOCKED, {"names": list(results)}))
    parents = {name for target, _ in results.values() for name in target.depends_on} - results.keys()
    if parents:
        rows += connection.execute(_READ, {"names": list(parents)})
    return {row.name: _standing(row) for row in rows}


def _parents_first(results: Mapping[str, tuple[Target, ProbeResult]]) -> list[str]:
    """The names of targets in such an order that none stands before one that it depends on."""
    ordered: dict[str, None] = {}

    def put(name: str) -> None:
        if name in results and name not in ordered:
            for parent in results[name][0].depends_on:
                put(parent)
            ordered[name] = None

    for name in results:
        put(name)
    return list(ordered)


def _save(connection: Connection, moves: Sequence[Move]) -> None:
    standings = [move.now for move in moves]
    connection.execute(
        _SAVE,
        {
            "names": [move.target.name for move in moves],
            "statuses": [str(one.status) for one in standings],
            "since": [one.since for one in standings],
            "reasons": [one.reason for one in standings],
            "details": [one.detail for one in standings],
            "checked": [one.checked_at for one in standings],
            "failures": [one.failures for one in standings],
            "excused": [one.excused for one in standings],
            "successes": [one.successes for one in standings],
            "failing": [one.failing_since for one in standings],
            "rechecks": [_recheck(move) for move in moves],
        },
    )


def _recheck(move: Move) -> datetime | None:
    """When a target is checked again before its interval is over."""
    if move.now.awaits_parents:
        return move.result.checked_at + PARENT_PATIENCE
    confirmed = move.now.failures > 1 or not (move.now.failures or move.now.excused)
    if confirmed and not move.now.successes:
        return None
    retry = move.target.retry_interval
    return None if retry is None else move.result.checked_at + retry


def _hurry(
    connection: Connection, moves: Iterable[Move], known: Mapping[str, Standing], now: datetime
) -> None:
    """Have the parents checked at once that a failure waits for."""
    wanted = {
        parent
        for move in moves
        if move.now.awaits_parents
        for parent in move.target.depends_on
        if parent in known and _is_older(known[parent].checked_at, move.now.failing_since)
    }
    if wanted:
        connection.execute(_HURRY, {"names": sorted(wanted), "now": now})


def _is_older(checked_at: datetime | None, since: datetime | None) -> bool:
    return checked_at is None or (since is not None and checked_at < since)


def _standing(row: "Row[Any]") -> Standing:
    return Standing(
        Status(row.status),
        row.status_since,
        row.reason,
        row.detail,
        row.checked_at,
        row.failures,
        row.excused,
        row.successes,
        row.failing_since,
    )
