"""Levels: what an account has at a time, such as followers, of which the newest report counts.

Reports come in any order, and one may bring some levels and not others. So each level has a time of its own.
Of two reports of one time the larger value counts: the result is the same in whatever order they come.
"""

from typing import Final

from watchfleet.db.tables import LEVELS

REPORTED_BY: Final = {
    "followers_counted": ("followers", "following", "posts"),
    "engagement_recorded": ("likes", "comments", "shares", "views"),
}
"""The levels that a signal brings, by the signal's name."""

COLUMNS: Final = tuple(name for level in LEVELS for name in (level, f"{level}_at"))
"""In the tables: each level, and when it was so."""

_EPOCH_US: Final = "CAST(extract(epoch FROM {at}) * 1000000 AS float8)"


def newest(level: str, among: str = "true") -> str:
    """The SQL aggregate of a level in rows that have it: an array of its time (Unix microseconds) and value.

    Args:
        level: The level.
        among: The condition for rows that count.
    """
    return f"{_latest(f'{level}_at', level)} FILTER (WHERE {level}_at IS NOT NULL AND {among})"


def newest_event(level: str, signal: str) -> str:
    """The same, in events."""
    value = f"CAST(fields ->> '{level}' AS float8)"
    return f"{_latest('ts', value)} FILTER (WHERE signal = '{signal}' AND fields ? '{level}')"


def at_of(pair: str) -> str:
    """The SQL expression of the time in such an array."""
    return f"to_timestamp(({pair})[1] / 1000000)"


def merged() -> str:
    """The assignments of an upsert that keep the newer of the old row's levels and the new one's."""
    return ", ".join(
        f"{column} = CASE WHEN {_is_newer(level)} THEN excluded.{column} ELSE old.{column} END"
        for level in LEVELS
        for column in (level, f"{level}_at")
    )


def _latest(at: str, value: str) -> str:
    return f"max(ARRAY[{_EPOCH_US.format(at=at)}, {value}])"


def _is_newer(level: str) -> str:
    at = f"{level}_at"
    later = f"(excluded.{at}, excluded.{level}) > (old.{at}, old.{level})"
    return f"excluded.{at} IS NOT NULL AND (old.{at} IS NULL OR {later})"
