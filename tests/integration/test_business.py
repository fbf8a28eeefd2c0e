"""What scrapers report of accounts, to the unit."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from watchfleet.db.engine import transaction
from watchfleet.metrics import ingest
from watchfleet.model import Event
from watchfleet.wire import pack

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("environment")


def event(ago: float, account: str = "alice", platform: str = "insta", reason: str = "", **fields) -> Event:
    signal = "scrape_failed" if reason else "account_scraped"
    fields |= {"reason": reason} if reason else {}
    return Event(signal, NOW.timestamp() - ago, platform, account, None, fields)


def write(batch_id: str, *events: Event) -> None:
    with transaction() as connection:
        ingest.write(connection, batch_id, pack([], events), NOW)


def account(name: str = "alice") -> dict[str, object]:
    with transaction() as connection:
        columns = "platform, account, account_group, succeeded, failed, seen_at"
        columns += ", last_success_at, last_failure_at, last_failure_reason"
        query = text(f"SELECT {columns} FROM account WHERE account = :name")
        return dict(connection.execute(query, {"name": name}).mappings().one())


def test_an_account_knows_its_outcomes_whatever_the_order_of_reports():
    write("b1", event(30), event(20, reason="login_wall"))
    write("b2", event(50, reason="timeout"), event(40)._replace(group="vip"))
    assert account() == {
        "platform": "insta",
        "account": "alice",
        "account_group": "vip",
        "succeeded": 2,
        "failed": 2,
        "seen_at": NOW - timedelta(seconds=20),
        "last_success_at": NOW - timedelta(seconds=30),
        "last_failure_at": NOW - timedelta(seconds=20),
        "last_failure_reason": "login_wall",
    }
    write("b1", event(1))
    assert account()["succeeded"] == 2


def test_other_reports_make_an_account_known_and_are_kept():
    write("b1", Event("followers_counted", NOW.timestamp(), "insta", "bob", "vip", {"followers": 5.0}))
    assert (account("bob")["succeeded"], account("bob")["account_group"]) == (0, "vip")
    with transaction() as connection:
        row = connection.execute(text("SELECT signal, account, fields FROM account_event")).one()
    assert tuple(row) == ("followers_counted", "bob", {"followers": 5.0})


def test_a_platforms_samples_are_its_events():
    write("b1", event(3, duration=1.5), event(2, reason="x", duration=0.5), event(1, platform="tiktok"))
    query = "SELECT name, labels, count(*), sum(value) FROM samples JOIN series ON series.id = series_id"
    with transaction() as connection:
        rows = {
            (row.name, *sorted(row.labels.values())): (row[2], row[3])
            for row in connection.execute(text(f"{query} GROUP BY 1, 2"))
        }
    assert rows == {
        ("scrapes_total", "insta", "succeeded"): (1, 1.0),
        ("scrapes_total", "failed", "insta"): (1, 1.0),
        ("scrapes_total", "succeeded", "tiktok"): (1, 1.0),
        ("scrape_duration_seconds", "insta"): (2, 2.0),
    }


def test_batches_with_accounts_in_common_never_deadlock_and_lose_nothing():
    accounts = [f"a{n}" for n in range(30)]

    def deliver(number: int) -> list[str]:
        chosen = random.Random(number).choices(accounts, k=60)
        for _ in range(2):
            write(f"b{number}", *(event(n, name) for n, name in enumerate(chosen)))
        return chosen

    with ThreadPoolExecutor(6) as pool:
        expected = Counter(name for chosen in pool.map(deliver, range(24)) for name in chosen)
    with transaction() as connection:
        found = connection.execute(text("SELECT account, succeeded FROM account")).all()
    assert {row.account: row.succeeded for row in found} == expected
