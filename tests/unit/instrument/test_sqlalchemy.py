"""Queries are measured by kind, whatever becomes of them."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from watchfleet.instrument import queries, sqlalchemy
from watchfleet.instrument.client import Client
from watchfleet.instrument.queries import MOST_KINDS, Kinds
from watchfleet.model import Kind


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    sqlalchemy.install(engine)
    sqlalchemy.install(engine)
    yield engine
    engine.dispose()


def test_each_query_has_a_duration(client: Client, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
        connection.execute(text("  insert into t values (:n)"), [{"n": 1}, {"n": 2}])
        connection.execute(text("PRAGMA user_version"))
    rows = client.buffer.cut(9).samples
    assert [row.labels["operation"] for row in rows] == ["CREATE", "INSERT", "other"]
    assert {(row.name, row.kind) for row in rows} == {("db_query_duration_seconds", Kind.DURATION)}
    assert all(row.value > 0 for row in rows)


def test_a_kind_is_told_once_without_its_values(client: Client, engine: Engine) -> None:
    with engine.begin() as connection:
        for secret in ("hunter2", "hunter3"):
            connection.execute(text(f"SELECT 1 WHERE 'x' = '{secret}'"))
    cut = client.buffer.cut(9)
    (told,) = cut.activity
    assert (told.kind, told.fields["statement"]) == ("statement", "SELECT $1 WHERE $2 = $3")
    assert {row.labels["fingerprint"] for row in cut.samples} == {told.name}
    assert len(cut.samples) == 2


def test_a_failed_query_is_timed_and_counted_by_its_error(client: Client, engine: Engine) -> None:
    with engine.connect() as connection:
        for _ in range(2):
            with suppress(OperationalError):
                connection.execute(text("SELECT * FROM absent"))
    client.buffer.settle({})
    *durations, failed = client.buffer.cut(9).samples
    assert [row.name for row in durations] == ["db_query_duration_seconds"] * 2
    assert (failed.name, failed.labels["operation"], failed.labels["exception"], failed.value) == (
        "db_query_errors_total",
        "SELECT",
        "OperationalError",
        2,
    )


def test_a_streamed_query_ends_with_its_last_row(client: Client, engine: Engine) -> None:
    with engine.connect().execution_options(stream_results=True) as connection:
        numbers = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i FROM n"
        )
        result = connection.execute(text(numbers))
        assert client.buffer.cut(9).samples == []
        assert len(result.fetchmany(3)) == 3
        assert client.buffer.cut(9).samples == []
        assert len(result.all()) == 37
    client.buffer.settle({})
    took, rows = client.buffer.cut(9).samples
    assert (took.name, rows.name, rows.value) == ("db_query_duration_seconds", "db_query_rows_total", 40)


def test_kinds_beyond_the_limit_are_one(client: Client) -> None:
    known = Kinds(client)
    keys = {known.of(f"SELECT column_{number} FROM t").key for number in range(MOST_KINDS + 5)}
    assert len(keys) == MOST_KINDS + 1
    assert queries.OTHER in keys


def test_a_slow_query_is_kept_with_what_helps(
    client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(queries.SLOW, "0.0000001")
    with engine.connect() as connection:
        connection.execute(text("SELECT :name"), {"name": "hunter2"})
    told, slow = client.buffer.cut(9).activity
    assert (slow.kind, slow.name, slow.fields["fingerprint"]) == ("query", "SELECT", told.name)
    assert "hunter2" not in str(slow)
    assert slow.fields["parameters"] == "str(7)"
    assert f"{__file__}:" in slow.fields["call_site"]
    assert len(slow.correlation_id) == 32


def test_anything_can_be_tracked_as_a_query(client: Client) -> None:
    @queries.track_query("mongo: find orders")
    def find() -> None:
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            find()
    client.buffer.settle({})
    cut = client.buffer.cut(9)
    assert [row.fields["statement"] for row in cut.activity] == ["mongo: find orders"]
    assert [row.name for row in cut.samples] == ["db_query_duration_seconds"] * 2 + ["db_query_errors_total"]
    assert cut.samples[-1].labels["exception"] == "LookupError"


@pytest.mark.parametrize(
    ("statement", "word"), [("", "other"), ("-- x\nSELECT 1", "other"), ("select\n1", "SELECT")]
)
def test_the_operation_is_one_of_a_few(statement: str, word: str) -> None:
    assert queries.operation(statement) == word
