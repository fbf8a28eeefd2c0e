"""The example scraper, installed as a stranger would, against a real fleet worker and a real store."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg2
import pytest
from support.ingested import read
from support.servers import ROOT, free_port, wait_until
from support.wheels import Environment

from watchfleet.fleet import INGEST_QUEUE

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

    def worker(self) -> list[str]:
        worker = ["worker", "--beat", "--concurrency=1", "--loglevel=WARNING", "--hostname=scraper@%h"]
        return [self.python, "-m", "celery", "-A", "scraper", *worker]

    def web(self, port: int) -> list[str]:
        return [self.python, "-m", "flask", "--app", "web", "run", "--port", str(port)]

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
