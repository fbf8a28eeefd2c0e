"""Queries of an instrumented application on a real PostgreSQL: into the store, and out by command and API."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery, signals
from click.testing import CliRunner, Result
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from support.servers import use_environment

from watchfleet import correlation, wire
from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import create, database_url, get_engine
from watchfleet.errors import ConfigError
from watchfleet.instrument import activity, sqlalchemy
from watchfleet.instrument.client import Client
from watchfleet.instrument.correlation import celery as correlation_celery
from watchfleet.instrument.lifetime import lifetime
from watchfleet.metrics import ingest, read, rollups
from watchfleet.web.app import create_app

SLOW, TOKEN = 0.05, "s3cret-token-of-the-api"
SLOW_SQL = f"pg_sleep({SLOW * 1.2})"


@pytest.fixture
def host(environment: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An application's own engine, whose queries are slow from 50 ms on."""
    use_environment(environment, API_TOKEN=TOKEN)
    environment.setenv("SLOW_QUERY_SECONDS", str(SLOW))
    engine = create(database_url())
    sqlalchemy.install(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def ship(host: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Brings what was recorded into the store, as a batch, and rolls it up."""

    def no_broker() -> Any:
        raise ConfigError("the test takes the rows")

    client = Client("shop", no_broker, flush_interval=3600)
    monkeypatch.setattr(lifetime, "client", client)
    monkeypatch.setattr(activity, "_budget", activity._Budget())  # others recorded in this very second
    monkeypatch.setattr(Client, "hurry", lambda _: None)

    def shipped() -> None:
        client.buffer.settle({})
        batch = wire.pack(*client.buffer.cut(1000))
        with get_engine().begin() as connection:
            written = ingest.write(connection, "queries", batch, utcnow())
        assert written.rejected == 0
        rollups.drain(get_engine(), utcnow())

    yield shipped
    assert client.close(5)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["queries", *arguments])


def query_in_every_way(connection: Connection) -> None:
    for number in range(20):
        connection.execute(text(f"SELECT {number} AS quick"))
    connection.execute(text(f"SELECT 'geheim' AS finished, {SLOW_SQL}"))
    connection.execute(text("SET LOCAL statement_timeout = 80"))
    with suppress(OperationalError), connection.begin_nested():
        connection.execute(text("SELECT count(*) FROM pg_sleep(60) AS cancelled"))
    broken_off = text("SELECT 'x' || n, pg_sleep(n / 100.0) FROM generate_series(1, 60) AS broken_off(n)")
    with suppress(OperationalError), connection.begin_nested():
        list(connection.execute(broken_off, execution_options={"yield_per": 2}))
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    with suppress(ProgrammingError), connection.begin_nested():
        connection.execute(text(f"WITH slept AS MATERIALIZED (SELECT {SLOW_SQL}) SELECT absent FROM slept"))
    rows = f"SELECT n AS streamed, pg_sleep({SLOW / 10}) FROM generate_series(1, 20) AS n"
    for _ in connection.execution_options(yield_per=2).execute(text(rows)):
        pass


def test_every_slow_query_is_told_of_with_its_task(host: Engine, ship: Callable[[], None]) -> None:
    app = Celery("shop", set_as_current=False)

    @app.task(name="shop.pay")
    def pay() -> None:
        with host.begin() as connection:
            query_in_every_way(connection)

    with correlation.bound("order-1"):
        pay.apply(task_id="t-1", throw=True)
    ship()
    found = {one["statement"]: one for one in json.loads(run("top", "--json").output)["queries"]}
    (quick,) = [one for text, one in found.items() if "quick" in text]
    assert (quick["count"], quick["slow"], quick["rows"], quick["services"]) == (20, 0, 20, ["shop"])
    assert 0 < quick["avg_seconds"] <= quick["p99_seconds"] * 1.02
    slow = [one for one in found.values() if one["slow"]]
    assert [
        word for word in ("finished", "cancelled", "broken_off", "streamed") if word not in str(slow)
    ] == []
    assert "geheim" not in str(found)
    for one in slow:
        (told,) = json.loads(run("show", one["fingerprint"], "--json").output)["slow"]
        assert (told["task"], told["task_id"], told["correlation_id"]) == ("shop.pay", "t-1", "order-1")
        assert "query_in_every_way" in told["call_site"]
        assert told["seconds"] >= SLOW
        cancelled = "cancelled" in one["statement"] or "broken_off" in one["statement"]
        assert told.get("error") == ("QueryCanceled" if cancelled else None)
    check_tables(slow[0]["fingerprint"])
    check_api(slow[0])


def test_a_task_that_asks_in_a_loop_is_told_of(host: Engine, ship: Callable[[], None]) -> None:
    app = Celery("shop", set_as_current=False)

    @app.task(name="shop.report")
    def report() -> None:
        with host.begin() as connection:
            for number in range(12):
                connection.execute(text(f"SELECT {number} FROM pg_sleep(0.005)"))
                connection.execute(text("SELECT now()"))

    with connected_to_celery():
        report.apply(throw=True)
    ship()
    top = json.loads(run("top", "--json").output)["queries"]
    (asked,) = [one["fingerprint"] for one in top if "pg_sleep" in one["statement"]]
    (repeat,) = json.loads(run("show", asked, "--json").output)["repeats"]
    assert (repeat["place"], repeat["count"], repeat["seconds"] >= 0.06) == ("shop.report", 12, True)
    assert "shop.report" in run("show", asked).output
    (other,) = [one["fingerprint"] for one in top if "now()" in one["statement"]]
    assert json.loads(run("show", other, "--json").output)["repeats"] == []
    with get_engine().connect() as connection:
        (series,) = read.latest(connection, "db_call_queries", utcnow() - timedelta(minutes=5))
    assert (series.labels, series.points[0][1]) == ({"service": "shop", "place": "shop.report"}, 24)


@contextmanager
def connected_to_celery() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for signal in (signals.task_prerun, signals.task_postrun, signals.before_task_publish):
            patch.setattr(signal, "receivers", [*signal.receivers])
        correlation_celery.install()
        yield


def test_the_server_sees_who_asks(environment: pytest.MonkeyPatch, ship: Callable[[], None]) -> None:
    environment.setenv("WATCHFLEET_SQL_COMMENTS", "1")
    engine = create(database_url())
    sqlalchemy.install(engine)
    app = Celery("shop", set_as_current=False)
    seen = "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid() AND 'a%b' LIKE :like"

    @app.task(name="shop.50%'")
    def pay() -> Any:
        with engine.begin() as connection:
            return connection.execute(text(seen), {"like": "a%"}).scalar_one()

    with correlation.bound("order-1"):
        found = pay.apply(task_id="t-1", throw=True).result
    engine.dispose()
    assert found.endswith(" /*correlation_id='order-1',task='shop.50%25%27',task_id='t-1'*/")
    ship()
    top = json.loads(run("top", "--json").output)["queries"]
    assert [one["statement"] for one in top if "pg_stat_activity" in one["statement"]] == [
        "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid() AND $2 LIKE $1"
    ]


def check_tables(fingerprint: str) -> None:
    assert fingerprint in run("top", "--order", "p99").output
    assert "shop.pay" in run("show", fingerprint).output
    absent = run("show", "0123456789abcdef")
    assert absent.exit_code == 1


def check_api(slow: dict[str, Any]) -> None:
    client, headers = create_app().test_client(), {"Authorization": f"Bearer {TOKEN}"}
    answer = client.get("/api/queries?order=slow&limit=5", headers=headers)
    assert slow["fingerprint"] in {one["fingerprint"] for one in answer.json["queries"]}
    one = client.get(f"/api/queries/{slow['fingerprint']}", headers=headers).json
    assert (len(one["queries"]), one["slow"][0]["task"]) == (1, "shop.pay")
    assert client.get("/api/queries/absent", headers=headers).status_code == 404
    assert client.get("/api/queries").status_code == 401
    told = client.get("/metrics").text
    assert f'db_query_load_ratio{{fingerprint="{slow["fingerprint"]}"}}' in told
    assert "cancelled" not in told, "who has no token sees no statement"
