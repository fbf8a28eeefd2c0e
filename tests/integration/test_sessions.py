"""A chain of three real sessions, of which the last waits for the second and the second for the first."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner
from psycopg2 import errors
from support.servers import use_environment

from tasks.detectors import sessions as task
from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import database_url, get_engine, libpq_url, transaction
from watchfleet.detectors import sessions
from watchfleet.detectors.sessions import Chain, Session
from watchfleet.metrics import read
from watchfleet.web.app import create_app

TOKEN = "s3cret-token-of-the-api"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
UPDATE = "UPDATE stock SET n = n + 1 WHERE id = {}"


@pytest.fixture
def three(environment: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The processes of three sessions of which each but the first waits for the one before."""
    use_environment(environment, API_TOKEN=TOKEN)
    url = libpq_url(database_url())
    with ExitStack() as stack:
        first, second, third = (stack.enter_context(closing(psycopg2.connect(url))) for _ in range(3))
        with first.cursor() as cursor:
            cursor.execute("CREATE TABLE stock (id int PRIMARY KEY, n int)")
            cursor.execute("INSERT INTO stock VALUES (1, 0), (2, 0)")
            first.commit()
            cursor.execute(UPDATE.format(1))
        second.cursor().execute(UPDATE.format(2))
        pids = [each.info.backend_pid for each in (first, second, third)]
        waiting = [
            threading.Thread(target=_wait, args=(second, UPDATE.format(1))),
            threading.Thread(target=_wait, args=(third, UPDATE.format(2))),
        ]
        for thread in waiting:
            thread.start()
        try:
            yield pids
        finally:
            for pid in pids[::-1]:
                with get_engine().begin() as connection:
                    connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
            for thread in waiting:
                thread.join(10)


def _wait(connection: Any, statement: str) -> None:
    with pytest.raises((errors.AdminShutdown, psycopg2.OperationalError)):
        connection.cursor().execute(statement)


def until_blocked(pids: list[int]) -> list[Session]:
    url = libpq_url(database_url())
    for _ in range(500):
        seen = sessions.read(url)
        if sum(1 for one in seen if one.blocked_by) == len(pids) - 1:
            return seen
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def test_a_chain_is_named_with_its_blockers_statement(three: list[int]) -> None:
    (chain,) = sessions.chains(until_blocked(three))
    assert [chain.root.pid, *(one.pid for one in chain.waiting)] == three
    assert str(chain) == f"{three[0]} (idle in transaction) <- {three[1]} <- {three[2]}"
    assert chain.root.statement == "UPDATE stock SET n = n + $1 WHERE id = $2"
    assert chain.waiting[0].wait == "Lock:transactionid"
    assert task() == 2
    with transaction() as connection:
        (blocked,) = read.latest(connection, "db_blocked_sessions", utcnow() - timedelta(minutes=1))
    assert blocked.points[0][1] == 2
    check_commands(chain)


def check_commands(chain: Chain) -> None:
    shown = CliRunner().invoke(cli, ["queries", "show", chain.root.fingerprint, "--json"])
    (lock,) = json.loads(shown.output)["locks"]
    assert (lock["chain"], lock["statement"], lock["waiting"]) == (str(chain), chain.root.statement, 2)
    (database,) = json.loads(CliRunner().invoke(cli, ["queries", "live", "--json"]).output)["databases"]
    assert database["chains"] == [
        {"chain": str(chain), "root": chain.root.pid, "statement": chain.root.statement}
    ]
    assert str(chain.root.pid) in CliRunner().invoke(cli, ["queries", "live"]).output
    answer = create_app().test_client().get("/api/queries/live", headers=HEADERS).json
    assert [one["chains"] for one in answer["databases"]] == [database["chains"]]
    assert answer["silent"] == []
    none = CliRunner().invoke(cli, ["queries", "live", "--target", "absent"])
    assert "no PostgreSQL database absent" in str(none.exception)
