"""Accounts as they stand: their outcomes, their freshness and their levels; a row each."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, text

from watchfleet.metrics.accounts import levels
from watchfleet.metrics.accounts.tally import Report, tallies

_ARRAYS: Final = {
    "platform": "text",
    "account": "text",
    "account_group": "text",
    "seen_at": "timestamptz",
    "succeeded": "bigint",
    "failed": "bigint",
    "last_success_at": "timestamptz",
    "last_failure_at": "timestamptz",
    "last_failure_reason": "text",
    **{name: "timestamptz" if name.endswith("_at") else "float8" for name in levels.COLUMNS},
}
_UPSERT: Final = text(
    f"INSERT INTO account AS old ({', '.join(_ARRAYS)}) SELECT * FROM unnest("  # noqa: S608 - names of ours
    + ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _ARRAYS.items())
    + ") ON CONFLICT (platform, account) DO UPDATE SET"
    " account_group = coalesce(excluded.account_group, old.account_group),"
    " seen_at = greatest(old.seen_at, excluded.seen_at),"
    " succeeded = old.succeeded + excluded.succeeded, failed = old.failed + excluded.failed,"
    " last_success_at = greatest(old.last_success_at, excluded.last_success_at),"
    " last_failure_reason = CASE WHEN excluded.last_failure_at >= coalesce(old.last_failure_at, '-infinity')"
    " THEN excluded.last_failure_reason ELSE old.last_failure_reason END,"
    f" last_failure_at = greatest(old.last_failure_at, excluded.last_failure_at), {levels.merged()}"
)


def update(connection: Connection, found: Sequence[Report]) -> None:
    """Bring the accounts of some events up to date."""
    by_account = tallies(found, lambda report: (report.event.platform, report.event.account))
    rows = [
        (
            *key,
            tally.group,
            tally.seen_at,
            tally.succeeded,
            tally.failed,
            tally.last_success_at,
            tally.last_failure_at,
            tally.last_failure_reason,
            *tally.columns_of_levels(),
        )
        for key, tally in by_account.items()
    ]
    columns = zip(*rows, strict=True)
    connection.execute(_UPSERT, {name: list(column) for name, column in zip(_ARRAYS, columns, strict=True)})
