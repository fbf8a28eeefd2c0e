"""Statements are measured by their first word."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from watchfleet.instrument import sqlalchemy
from watchfleet.instrument.client import Client
from watchfleet.model import Kind


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    sqlalchemy.install(engine)
    sqlalchemy.install(engine)
    yield engine
    engine.dispose()


def test_each_statement_has_a_duration(client: Client, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
        connection.execute(text("  insert into t values (:n)"), [{"n": 1}, {"n": 2}])
        connection.execute(text("PRAGMA user_version"))
    rows = client.buffer.cut(9).samples
    assert [row.labels["operation"] for row in rows] == ["CREATE", "INSERT", "other"]
    assert {(row.name, row.kind) for row in rows} == {("db_query_duration_seconds", Kind.DURATION)}
    assert all(row.value > 0 for row in rows)


def test_a_failed_statement_is_counted_by_its_error(client: Client, engine: Engine) -> None:
    with engine.connect() as connection:
        for _ in range(2):
            with suppress(OperationalError):
                connection.execute(text("SELECT * FROM absent"))
        connection.execute(text("SELECT 1"))
    client.buffer.settle({})
    first, *others = client.buffer.cut(9).samples
    assert first.name == "db_query_duration_seconds"
    assert [(row.name, row.labels["operation"], row.labels["exception"], row.value) for row in others] == [
        ("db_query_errors_total", "SELECT", "OperationalError", 2)
    ]


@pytest.mark.parametrize(
    ("statement", "word"), [("", "other"), ("-- x\nSELECT 1", "other"), ("select\n1", "SELECT")]
)
def test_the_operation_is_one_of_a_few(statement: str, word: str) -> None:
    assert sqlalchemy.operation(statement) == word
