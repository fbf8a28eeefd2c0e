"""The example scraper, installed as a stranger would, against a real fleet worker and a real store."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg2
import pytest
from support.ingested import read
from support.servers import ROOT, free_port, wait_until
from support.wheels import Environment

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.fleet import INGEST_QUEUE
from watchfleet.metrics.accounts import freshness, growth
from watchfleet.metrics.accounts.page import MOST, Page, Wanted
from watchfleet.metrics.accounts.statistics import By, Statistics, statistics

FOLDER = ROOT / "examples" / "scraper"
ACCOUNTS = 12
HANGS = 9

Totals = dict[tuple[str, str], tuple[int, int]]
"""For each platform and account: scrapes that succeeded, scrapes that failed."""


@contextmanager
def process(
    command: list[str], folder: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    try:
        yield child
        child.terminate()
        child.wait(40)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait(10)


class Scraper:
    """The example in an environment of its own, with a ledger of the test's own."""

    def __init__(self, environment: Environment, folder: Path, broker: str) -> None:
        self.python, self.ledger = str(environment.python), folder / "ledger.sqlite3"
        self.variables = {
            "BROKER_URL": broker,
            "SCRAPER_LEDGER": str(self.ledger),
            "SCRAPER_ACCOUNTS": str(ACCOUNTS),
            "SCRAPER_PERIOD": "1",
            "SCRAPER_FAILING": "0.3",
            "SCRAPER_LATENCY": "0.01",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def worker(self, concurrency: int = 1) -> list[str]:
        worker = ["worker", "--beat", f"--concurrency={concurrency}", "--loglevel=WARNING"]
        worker += ["--hostname=scraper@%h"]
        return [self.python, "-m", "celery", "-A", "scraper", *worker]

    def web(self, port: int) -> list[str]:
        return [self.python, "-m", "flask", "--app", "web", "run", "--port", str(port)]

    def entries(self) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.ledger, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM scrape ORDER BY at")]

    def backdate(self, days: float) -> None:
        """Enter the newest count of every account once more, as of some days ago, and as not yet reported."""
        with closing(sqlite3.connect(self.ledger, timeout=30)) as connection, connection:
            connection.execute(
                'INSERT INTO scrape SELECT hex(randomblob(16)), max(at) - ?, platform, account, "group", 1,'
                " reason, duration, followers - 100, posts, likes, comments, 0 FROM scrape WHERE succeeded"
                " GROUP BY platform, account",
                (days * 86_400,),
            )

    def totals(self) -> Totals:
        query = "SELECT platform, account, sum(succeeded), sum(NOT succeeded) FROM scrape GROUP BY 1, 2"
        with closing(sqlite3.connect(self.ledger, timeout=30)) as connection:
            try:
                return as_totals(connection.execute(query))
            except sqlite3.OperationalError:  # it has not been begun
                return {}


class Store:
    """What the fleet keeps."""

    def __init__(self, url: str) -> None:
        self._url = url

    def rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self._url)) as connection, connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()

    def totals(self) -> Totals:
        return as_totals(self.rows("SELECT platform, account, succeeded, failed FROM account"))

    def sums(self, name: str, label: str) -> dict[str, float]:
        """A metric's samples, summed by a label."""
        query = (
            "SELECT labels ->> %s, sum(value) FROM samples JOIN series ON series_id = id"
            " WHERE name = %s GROUP BY 1"
        )
        return dict(self.rows(query, label, name))


def as_totals(rows: Iterable[tuple[Any, ...]]) -> Totals:
    return {(platform, account): (done, failed) for platform, account, done, failed in rows}


@pytest.fixture
def scraper(scraper_environment: Environment, tmp_path: Path, redis_url: str) -> Scraper:
    return Scraper(scraper_environment, tmp_path, redis_url)


@pytest.fixture
def store(environment: pytest.MonkeyPatch, database_url: str) -> Iterator[Store]:
    """The store of a fleet whose ingest worker runs."""
    command = [sys.executable, "-m", "celery", "-A", "workers", "worker", "--queues", INGEST_QUEUE]
    command += ["--concurrency=1", "--loglevel=WARNING", "--without-gossip", "--without-mingle"]
    with process(command, ROOT, dict(os.environ)):
        yield Store(database_url)


def test_the_store_says_what_the_scrapers_ledger_says(scraper: Scraper, store: Store) -> None:
    """To the unit, although everything of the scraper was killed in the middle of a scrape."""
    hanging = scraper.variables | {"SCRAPER_HANGS": f"account-{HANGS:04d}"}
    with process(scraper.worker(), FOLDER, hanging) as worker:
        wait_until(lambda: len(scraper.totals()) == HANGS)
        wait_until(lambda: store.totals() == scraper.totals())
        os.killpg(worker.pid, signal.SIGKILL)
    with process(scraper.worker(), FOLDER, scraper.variables):
        wait_until(lambda: sum(map(sum, scraper.totals().values())) >= HANGS + 2 * ACCOUNTS)
    wait_until(lambda: store.totals() == scraper.totals())
    done, failed = (sum(column) for column in zip(*scraper.totals().values(), strict=True))
    assert done
    assert failed
    wait_until(lambda: store.sums("scrapes_total", "outcome") == {"succeeded": done, "failed": failed})
    assert store.sums("task_succeeded_total", "task")["scraper.scrape_account"] == done
    assert store.sums("task_failed_total", "task")["scraper.scrape_account"] == failed


def test_every_figure_is_the_ledgers_though_workers_are_killed_at_any_moment(
    scraper: Scraper, store: Store
) -> None:
    """Killed three times in the midst of work, with no regard to what they are just doing."""
    accounts = int(os.environ.get("SCRAPER_TEST_ACCOUNTS", "60"))
    # What is not begun within a period expires: long enough for two children to come round to every account.
    period = str(max(3, accounts // 40))
    variables = scraper.variables | {"SCRAPER_ACCOUNTS": str(accounts), "SCRAPER_PERIOD": period}
    rng = random.Random(7)
    for _ in range(3):
        before = len(scraper.totals()) and len(scraper.entries())
        with process(scraper.worker(2), FOLDER, variables) as worker:
            wait_until(lambda: len(scraper.totals()) and len(scraper.entries()) > before + accounts // 3)  # noqa: B023
            time.sleep(rng.random() / 5)
            os.killpg(worker.pid, signal.SIGKILL)
    scraper.backdate(days=1)
    with process(scraper.worker(2), FOLDER, variables):
        wait_until(lambda: all(entry["reported"] for entry in scraper.entries()), 90)
        wait_until(lambda: len(scraper.totals()) == accounts, 60)
    # The ledger is whole now, and with the worker's end so is what it shipped.
    entries = scraper.entries()
    wait_until(lambda: store.totals() == scraper.totals(), 60)
    check_days(entries)
    check_freshness(entries)
    check_growth(entries)


def check_days(entries: list[dict[str, Any]]) -> None:
    """Scrapes, durations and levels of each account and group on each day; success by platform and group."""
    expected: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        expected[day(entry), entry["platform"], entry["account"]].append(entry)
    found = {(one.day, one.platform, one.account): one for one in daily("account")}
    assert found.keys() == expected.keys()
    for key, some in expected.items():
        one, good = found[key], [entry for entry in some if entry["succeeded"]]
        assert (one.succeeded, one.failed) == (len(good), len(some) - len(good))
        assert float(one.duration_seconds) == pytest.approx(sum(entry["duration"] for entry in some))
        for level in ("followers", "posts", "likes", "comments"):
            assert one.levels[level] == (good[-1][level] if good else None)
    for by, columns in (("platform", ("platform",)), ("group", ("platform", "group"))):
        rates = {tuple(getattr(one, name) for name in ("day", *columns)): one.facts() for one in daily(by)}
        sums: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for entry in entries:
            sums[day(entry), *(entry[name] for name in columns)].append(entry["succeeded"])
        assert {key: (one["succeeded"], one["failed"]) for key, one in rates.items()} == {
            key: (sum(some), len(some) - sum(some)) for key, some in sums.items()
        }
        assert {key: one["success_rate"] for key, one in rates.items()} == {
            key: sum(some) / len(some) for key, some in sums.items()
        }


def check_freshness(entries: list[dict[str, Any]]) -> None:
    last = {(one["platform"], one["account"]): one["at"] for one in entries if one["succeeded"]}
    with transaction() as connection:
        found = freshness.by_account(connection, utcnow(), Wanted(), Page(MOST, {}))
    stored = {(one.platform, one.account): one.last_success_at for one in found}
    assert stored.keys() == {(one["platform"], one["account"]) for one in entries}
    assert {key: at for key, at in stored.items() if at} == {
        key: datetime.fromtimestamp(at, UTC) for key, at in last.items()
    }


def check_growth(entries: list[dict[str, Any]]) -> None:
    today = utcnow().date()
    counts: dict[str, dict[tuple[str, str], int]] = {"now": {}, "before": {}}
    for entry in entries:
        if entry["succeeded"]:
            key = (entry["platform"], entry["account"])
            counts["now"][key] = entry["followers"]
            if day(entry) < today:
                counts["before"][key] = entry["followers"]
    with transaction() as connection:
        found = growth.by_account(connection, today, Wanted(), Page(MOST, {}))
    changes = {(one.platform, one.account): one.changes[0] for one in found if one.changes[0].accounts}
    assert changes.keys() == counts["before"].keys()
    assert {key: one.after - one.before for key, one in changes.items()} == {
        key: counts["now"][key] - before for key, before in counts["before"].items()
    }


def day(entry: dict[str, Any]) -> date:
    return datetime.fromtimestamp(entry["at"], UTC).date()


def daily(by: By) -> list[Statistics]:
    today = utcnow().date()
    with transaction() as connection:
        return statistics(connection, (today - timedelta(days=3), today), by, Wanted(), Page(MOST, {}))


def test_requests_of_the_scrapers_web_side_are_counted(scraper: Scraper, redis_url: str) -> None:
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    with process(scraper.web(port), FOLDER, scraper.variables):
        wait_until(lambda: answer(f"{site}/") == 200)
        assert answer(f"{site}/accounts/instagram/account-0000/scrape", "POST") == 202
        assert answer(f"{site}/accounts/instagram/nobody/scrape", "POST") == 404
        wait_until(lambda: read(redis_url).total("http_requests_total", service="scraper") >= 3)
    found = read(redis_url)
    route = "/accounts/<platform>/<account>/scrape"
    assert found.total("http_requests_total", method="POST", route=route, status="202") == 1
    assert found.total("http_requests_total", method="POST", route=route, status="404") == 1


def answer(url: str, method: str = "GET") -> int:
    try:
        with urlopen(Request(url, method=method), timeout=10) as response:
            return int(response.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0
