"""A hundred thousand accounts: how long their statistics, their freshness and a scrape of `/metrics` take.

Accounts of four platforms over eight days, one row of daily statistics each. Measured are what a user waits
for: a day's statistics by platform and by account (in pages), freshness by platform and by account, growth,
what the one writer adds up every 15 seconds, the recomputation of a day from its events, and a GET of
`/metrics` from a real web process. Beside each stands the limit: the plain SQL that reads the same rows.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import urlopen

from sqlalchemy import text

from benchmarks import _harness
from watchfleet.db import partitions
from watchfleet.db.engine import get_engine, transaction
from watchfleet.embedded.ports import free_port
from watchfleet.metrics.accounts import freshness, growth, platforms, repair
from watchfleet.metrics.accounts.page import MOST, Page, Wanted
from watchfleet.metrics.accounts.statistics import BY, By, statistics

ROUNDS, DAYS, PLATFORMS = 5, 8, ("instagram", "tiktok", "youtube", "linkedin")
ALL = Wanted()
GOAL_SECONDS, GOAL_SCRAPE = 5.0, 0.1
SCRAPED_EVERY = 3.2


def main() -> None:
    accounts = 5_000 if _harness.quick() else 100_000
    now = datetime.now(UTC)
    with _harness.store():
        fill(accounts, now)
        today = now.date()
        work: dict[str, Callable[[int], Any]] = {
            "daily_by_platform": lambda _: read(today, "platform"),
            "daily_by_group": lambda _: read(today, "group"),
            "daily_by_account": lambda _: read(today, "account", accounts),
            "freshness": lambda _: fresh(now, accounts),
            "growth_by_platform": lambda _: reading(lambda c: growth.by_platform(c, today, ALL)),
            "publish_platforms": lambda _: reading(lambda c: platforms.publish(c, now)),
            "verify_a_day": lambda _: check(repair.verify(get_engine(), [today]).different == 0),
            "limit_daily": lambda _: limit("SELECT * FROM daily_stats WHERE day = current_date"),
            "limit_freshness": lambda _: limit("SELECT platform, account, last_success_at FROM account"),
        }
        times = _harness.alternate(ROUNDS, work)
        scrapes = scraped()
    seconds = {name: round(times.median(name), 3) for name in times.seconds}
    both = seconds["daily_by_account"] + seconds["freshness"]
    _harness.report(
        "accounts",
        both / (seconds["limit_daily"] + seconds["limit_freshness"]),
        f"daily statistics and freshness < {GOAL_SECONDS:g} s; scrape < {GOAL_SCRAPE:g} s",
        ours=round(both, 3),
        peer=round(seconds["limit_daily"] + seconds["limit_freshness"], 3),
        unit="s",
        accounts=accounts,
        seconds=seconds,
        scrape_seconds=scrapes,
        met=both < GOAL_SECONDS and scrapes["median"] < GOAL_SCRAPE,
        cpu_wait=times.wait(),
    )


def fill(accounts: int, now: datetime) -> None:
    """Accounts with their days and, for today, the events that these come from."""
    days = {(now - timedelta(days=n)).date() for n in range(DAYS)}
    partitions.ensure(get_engine(), partitions.DAILY, days)
    partitions.ensure(get_engine(), partitions.EVENTS, days | {(now + timedelta(days=1)).date()})
    names = {"accounts": accounts, "platforms": list(PLATFORMS), "now": now, "days": DAYS}
    subject = "(CAST(:platforms AS text[]))[n % 4 + 1] AS platform, 'account-' || n AS account"
    subject += ", 'group-' || n % 50 AS grp"
    with transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO account_event (ts, signal, platform, account, account_group, fields)"
                " SELECT at, signal, platform, account, grp, fields FROM (SELECT n,"
                " date_trunc('day', CAST(:now AS timestamptz)) + (n % 600) * interval '1 microsecond' AS at,"
                f" {subject} FROM generate_series(1, :accounts) AS n) AS subject, LATERAL (VALUES"
                " (CASE WHEN n % 10 < 3 THEN 'scrape_failed' ELSE 'account_scraped' END,"
                "  jsonb_build_object('duration', 0.25 + n % 7)),"
                " ('followers_counted', jsonb_build_object('followers', 1000 + n, 'posts', n % 90)),"
                " ('engagement_recorded', jsonb_build_object('likes', n % 500, 'comments', n % 40)))"
                " AS event (signal, fields)"
            ),
            names,
        )
        connection.execute(
            text(
                "INSERT INTO account (platform, account, account_group, succeeded, failed, seen_at,"
                " last_success_at, last_failure_at, followers, followers_at, likes, likes_at)"
                " SELECT platform, account, grp, 10, 3, at, at, at - interval '1 h',"
                " 1000 + n, at, n % 500, at"
                " FROM (SELECT n, CAST(:now AS timestamptz) - (n % 100000) * interval '1.7 s' AS at,"
                f" {subject} FROM generate_series(1, :accounts) AS n) AS one"
            ),
            names,
        )
        connection.execute(
            text(
                "INSERT INTO daily_stats (day, platform, account, account_group, succeeded, failed, timed,"
                " duration_seconds, content, followers, followers_at, likes, likes_at)"
                " SELECT CAST(:now AS timestamptz)::date - ago, platform, account, grp, 10, 3, 13, 12.5, 2,"
                " 1000 + n - ago, CAST(:now AS timestamptz) - ago * interval '1 day', n % 500,"
                " CAST(:now AS timestamptz) - ago * interval '1 day'"
                " FROM generate_series(1, :days - 1) AS ago,"
                f" (SELECT n, {subject} FROM generate_series(1, :accounts) AS n) AS one"
            ),
            names,
        )
    list(repair.rebuild(get_engine(), [now.date()]))
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE account, account_event, daily_stats"))


def read(day: Any, by: By, expected: int | None = None) -> None:
    """A day's statistics, in as many pages as they have."""
    total, after = 0, dict[str, Any]()
    while True:
        rows = reading(lambda c: statistics(c, (day, day), by, ALL, Page(MOST, after)))  # noqa: B023
        total += len(rows)
        if len(rows) < MOST:
            break
        last = rows[-1]
        after = dict(zip(BY[by], (last.day, last.platform, last.account or last.group), strict=True))
    check(expected is None or total == expected)


def fresh(now: datetime, expected: int) -> None:
    """Every account's freshness, and the platforms'."""
    totals = reading(lambda c: freshness.by_platform(c, now, ALL))
    total, after = 0, dict[str, Any]()
    while True:
        rows = reading(lambda c: freshness.by_account(c, now, ALL, Page(MOST, after)))  # noqa: B023
        total += len(rows)
        if len(rows) < MOST:
            break
        after = {"platform": rows[-1].platform, "account": rows[-1].account}
    check(total == expected == sum(one.accounts for one in totals))


def reading(work: Callable[[Any], Any]) -> Any:
    with transaction() as connection:
        return work(connection)


def limit(query: str) -> None:
    reading(lambda connection: connection.execute(text(query)).all())


def check(condition: bool) -> None:  # noqa: FBT001 - an assertion
    assert condition, "the answer is wrong"


def scraped() -> dict[str, float]:
    """Seconds of GETs of `/metrics` from a web process, so far apart that each has it read the store anew."""
    reading(lambda connection: platforms.publish(connection, datetime.now(UTC)))
    with web() as address:
        seconds = []
        for _ in range(10):
            began = time.perf_counter()
            with urlopen(f"{address}/metrics", timeout=10) as answer:
                body = answer.read().decode()
            seconds.append(time.perf_counter() - began)
            check('accounts{platform="tiktok"' in body)
            time.sleep(SCRAPED_EVERY)
    ordered = sorted(seconds[1:])
    return {"median": round(ordered[len(ordered) // 2], 4), "worst": round(ordered[-1], 4)}


@contextmanager
def web() -> Iterator[str]:
    """The web process as the fleet starts it; its address."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "workers/gunicornconf.py", "workers.web:app"]
    process = subprocess.Popen(
        [*command, f"--bind=127.0.0.1:{port}"], cwd=_harness.ROOT, env=dict(os.environ)
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                json.load(urlopen(f"{address}/health/live", timeout=5))
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main()
