"""What scrapers report about accounts: the event itself, the account's state, and its day.

All change in the transaction of the batch that brought the event, so they are exact: a batch that is
delivered again changes none. An account is a row and never a label.
"""

import json
from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, Engine, text

from watchfleet.db import partitions
from watchfleet.metrics.accounts import daily, days, scrapes, state
from watchfleet.metrics.accounts.tally import reports
from watchfleet.model import Event


def make_partitions(engine: Engine, events: Sequence[Event]) -> None:
    """Make the partitions that events and their days will be in, in a transaction of its own.

    A day of another time zone lies in two partitions of events; with both there, it is known to be whole.
    """
    own = daily.days_of(reports(events))
    partitions.ensure(engine, partitions.EVENTS, set[date]().union(*map(days.touched, own)))
    partitions.ensure(engine, partitions.DAILY, own)


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Store events, and bring their accounts and days up to date."""
    if not events:
        return
    found = reports(events)
    connection.execute(
        text(
            "INSERT INTO account_event (signal, ts, platform, account, account_group, fields)"
            " SELECT signal, ts, platform, account, account_group, fields::jsonb"
            " FROM unnest(CAST(:signals AS text[]), CAST(:ts AS timestamptz[]), CAST(:platforms AS text[]),"
            " CAST(:accounts AS text[]), CAST(:groups AS text[]), CAST(:fields AS text[]))"
            " AS event (signal, ts, platform, account, account_group, fields)"
        ),
        {
            "signals": [report.event.signal for report in found],
            "ts": [report.at for report in found],
            "platforms": [report.event.platform for report in found],
            "accounts": [report.event.account for report in found],
            "groups": [report.event.group for report in found],
            "fields": [json.dumps(report.event.fields) for report in found],
        },
    )
    state.update(connection, found)
    daily.add(connection, found)
    scrapes.count(events).save(connection)
