"""What scrapers report about accounts: the event itself, and the account's state.

Both change in the transaction of the batch that brought the event, so they are exact: a batch that is
delivered again changes neither. An account is a row and never a label.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, text

from watchfleet.metrics.events import OUTCOMES
from watchfleet.model import Event


@dataclass(frozen=True, slots=True)
class PlatformTotals:
    """What `/metrics` tells of one platform.

    Attributes:
        platform: Its name.
        ok: Accounts whose last scrape succeeded.
        failing: Accounts whose last scrape failed.
        succeeded: Scrapes that succeeded since the first report.
        failed: Scrapes that failed.
        last_success_at: When one last succeeded.
    """

    platform: str
    ok: int
    failing: int
    succeeded: int
    failed: int
    last_success_at: datetime | None


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Store events and bring their accounts up to date."""
    if not events:
        return
    columns = list(zip(*events, strict=True))
    connection.execute(
        text(
            "INSERT INTO account_event (signal, ts, platform, account, account_group, fields)"
            " SELECT signal, to_timestamp(ts), platform, account, account_group, fields::jsonb"
            " FROM unnest(CAST(:signals AS text[]), CAST(:ts AS float8[]), CAST(:platforms AS text[]),"
            " CAST(:accounts AS text[]), CAST(:groups AS text[]), CAST(:fields AS text[]))"
            " AS event (signal, ts, platform, account, account_group, fields)"
        ),
        {
            "signals": list(columns[0]),
            "ts": list(columns[1]),
            "platforms": list(columns[2]),
            "accounts": list(columns[3]),
            "groups": list(columns[4]),
            "fields": [json.dumps(fields) for fields in columns[5]],
        },
    )
    _update_accounts(connection, events)


def platform_totals(connection: Connection) -> list[PlatformTotals]:
    """Each platform's accounts and scrapes, by name."""
    rows = connection.execute(
        text(
            "SELECT platform, count(*) FILTER (WHERE ok) AS ok, count(*) FILTER (WHERE NOT ok) AS failing,"
            " sum(succeeded) AS succeeded, sum(failed) AS failed, max(last_success_at) AS last_success_at"
            " FROM (SELECT *, last_success_at IS NOT NULL AND"
            " (last_failure_at IS NULL OR last_failure_at <= last_success_at) AS ok FROM account) AS judged"
            " GROUP BY platform ORDER BY platform"
        )
    )
    return [
        PlatformTotals(r.platform, r.ok, r.failing, int(r.succeeded), int(r.failed), r.last_success_at)
        for r in rows
    ]


def _update_accounts(connection: Connection, events: Sequence[Event]) -> None:
    states: dict[tuple[str, str], _State] = {}
    for event in sorted(events, key=lambda event: event.ts):
        states.setdefault((event.platform, event.account), _State()).learn(event)
    # In one order, so that two batches with accounts in common never wait for each other.
    keys = sorted(states)
    ordered = [states[key] for key in keys]
    connection.execute(
        _UPSERT,
        {
            "platforms": [platform for platform, _ in keys],
            "accounts": [account for _, account in keys],
            "groups": [state.group for state in ordered],
            "succeeded": [state.succeeded for state in ordered],
            "failed": [state.failed for state in ordered],
            "successes": [state.last_success_at for state in ordered],
            "failures": [state.last_failure_at for state in ordered],
            "reasons": [state.last_failure_reason for state in ordered],
        },
    )


@dataclass(slots=True)
class _State:
    """What a batch's events come to for one account."""

    group: str | None = None
    succeeded: int = 0
    failed: int = 0
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_failure_reason: str | None = None

    def learn(self, event: Event) -> None:
        """Take in the next event in time."""
        self.group = event.group or self.group
        outcome, at = OUTCOMES.get(event.signal), datetime.fromtimestamp(event.ts, UTC)
        if outcome == "succeeded":
            self.succeeded, self.last_success_at = self.succeeded + 1, at
        elif outcome == "failed":
            self.failed, self.last_failure_at = self.failed + 1, at
            self.last_failure_reason = str(event.fields.get("reason", "unknown"))


_UPSERT: Final = text(
    "INSERT INTO account AS old (platform, account, account_group, succeeded, failed, last_success_at,"
    " last_failure_at, last_failure_reason)"
    " SELECT * FROM unnest(CAST(:platforms AS text[]), CAST(:accounts AS text[]), CAST(:groups AS text[]),"
    " CAST(:succeeded AS bigint[]), CAST(:failed AS bigint[]), CAST(:successes AS timestamptz[]),"
    " CAST(:failures AS timestamptz[]), CAST(:reasons AS text[]))"
    " ON CONFLICT (platform, account) DO UPDATE SET"
    " account_group = coalesce(excluded.account_group, old.account_group),"
    " succeeded = old.succeeded + excluded.succeeded, failed = old.failed + excluded.failed,"
    " last_success_at = greatest(old.last_success_at, excluded.last_success_at),"
    " last_failure_reason = CASE WHEN excluded.last_failure_at >= coalesce(old.last_failure_at, '-infinity')"
    " THEN excluded.last_failure_reason ELSE old.last_failure_reason END,"
    " last_failure_at = greatest(old.last_failure_at, excluded.last_failure_at)"
)
