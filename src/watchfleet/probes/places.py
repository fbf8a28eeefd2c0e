"""Targets that are checked from several places: what each place found, and what that comes to together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from watchfleet.model import ProbeResult, Status
from watchfleet.probes.probe import Target
from watchfleet.probes.reasons import Reason

_SERVING: Final = (Status.UP, Status.DEGRADED)
_LOCK: Final = text("SELECT FROM probe_target WHERE name = ANY(:names) ORDER BY name FOR UPDATE")
_REPORT: Final = text(
    "INSERT INTO probe_location AS old (target, location, status, reason, detail, duration, checked_at,"
    " answer)"
    " SELECT * FROM unnest(CAST(:targets AS text[]), CAST(:locations AS text[]), CAST(:statuses AS text[]),"
    " CAST(:reasons AS text[]), CAST(:details AS text[]), CAST(:durations AS float8[]),"
    " CAST(:checked AS timestamptz[]), CAST(:answers AS text[]))"
    " ON CONFLICT (target, location) DO UPDATE SET status = excluded.status, reason = excluded.reason,"
    " detail = excluded.detail, duration = excluded.duration, checked_at = excluded.checked_at,"
    " answer = excluded.answer"
    " WHERE old.checked_at < excluded.checked_at"
)
_NEWS: Final = text(
    "SELECT place.* FROM probe_location AS place JOIN probe_target AS target ON target.name = place.target"
    " WHERE target.name = ANY(:names) AND place.checked_at > coalesce(target.checked_at, '-infinity')"
    " ORDER BY place.target, place.location"
)
_DROP: Final = text("DELETE FROM probe_location WHERE target <> ALL(CAST(:names AS text[]))")


def report(
    connection: Connection, found: Sequence[tuple[Target, ProbeResult, str]]
) -> list[tuple[Target, ProbeResult]]:
    """Keep what a place found; returns the targets of which all places have reported, and what that comes to.

    Args:
        connection: A transaction.
        found: Targets, what a check found, and where.
    """
    if not found:
        return []
    targets = {target.name: target for target, _, _ in found}
    connection.execute(_LOCK, {"names": list(targets)})  # the last place to report sees all others
    connection.execute(
        _REPORT,
        {
            "targets": [target.name for target, _, _ in found],
            "locations": [place for _, _, place in found],
            "statuses": [str(result.status) for _, result, _ in found],
            "reasons": [result.reason for _, result, _ in found],
            "details": [result.detail for _, result, _ in found],
            "durations": [result.duration for _, result, _ in found],
            "checked": [result.checked_at for _, result, _ in found],
            "answers": [result.answer for _, result, _ in found],
        },
    )
    news = _news(connection, targets)
    return [
        (target, together(target, news[name]))
        for name, target in targets.items()
        if news.get(name, {}).keys() >= set(target.locations)
    ]


def overdue(connection: Connection, targets: Iterable[Target]) -> list[tuple[Target, ProbeResult]]:
    """What the places have reported so far of targets whose next check is due, where some did not report."""
    located = {target.name: target for target in targets if target.locations}
    news = _news(connection, located) if located else {}
    return [(located[name], together(located[name], results)) for name, results in news.items()]


def forget_others(connection: Connection, names: Sequence[str]) -> None:
    """Drop what was found of targets that are configured no more."""
    connection.execute(_DROP, {"names": list(names)})


def together(target: Target, results: Mapping[str, ProbeResult]) -> ProbeResult:
    """What a target's places found together.

    It is down when `quorum` places or more find it down, and serves when so many find it serving that this
    cannot be; in between nobody knows, as too few places reported.

    Args:
        target: The target.
        results: What each place found, by its name; those that are missing did not report.
    """
    down = {place: one for place, one in results.items() if one.status is Status.DOWN}
    serving = [one for one in results.values() if one.status in _SERVING]
    newest = max(results.values(), key=lambda one: one.checked_at)
    slowest = max((one.duration for one in serving), default=newest.duration)
    result = replace(newest, duration=slowest, detail=_told(down, len(target.locations)), values=())
    if len(down) >= target.quorum:
        (reason, _), *_ = Counter(one.reason for one in down.values()).most_common(1)
        answer = next((one.answer for one in down.values() if one.answer), "")
        return replace(result, status=Status.DOWN, reason=reason, answer=answer)
    if len(serving) > len(target.locations) - target.quorum:
        degraded = [one for one in serving if one.status is Status.DEGRADED]
        if len(degraded) >= target.quorum:
            return replace(result, status=Status.DEGRADED, reason=degraded[0].reason)
        return replace(result, status=Status.UP, reason="", answer="")
    missing = ", ".join(place for place in target.locations if place not in results)
    detail = f"no word from {missing}" if missing else "too few places could check it"
    return replace(result, status=Status.UNKNOWN, reason=Reason.LOCATIONS_MISSING, detail=detail, answer="")


def _told(down: Mapping[str, ProbeResult], places: int) -> str:
    if not down:
        return ""
    named = ", ".join(f"{place} ({one.reason})" for place, one in sorted(down.items()))
    return f"down in {len(down)} of {places} places: {named}"


def _news(connection: Connection, names: Iterable[str]) -> dict[str, dict[str, ProbeResult]]:
    """What places found since the targets' standing was told last, by target and place."""
    found: dict[str, dict[str, ProbeResult]] = {}
    for row in connection.execute(_NEWS, {"names": list(names)}):
        found.setdefault(row.target, {})[row.location] = _result(row)
    return found


def _result(row: "Row[Any]") -> ProbeResult:
    return ProbeResult(
        row.target,
        Status(row.status),
        row.reason,
        row.duration,
        row.checked_at,
        row.detail,
        answer=row.answer,
    )
