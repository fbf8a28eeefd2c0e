"""This process configured for a database of the test's own."""

import pytest
from support.revisions import ROOT, climb, revisions
from support.servers import PostgresServer, forget_environment, use_environment

from watchfleet.db.engine import create


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, empty_database_url: str):
    """A database with nothing in it."""
    use_environment(monkeypatch, DATABASE_URL=empty_database_url)
    yield empty_database_url
    forget_environment()


@pytest.fixture
def rehearsal(postgres_server: PostgresServer, filled_template: str):
    """A transaction on a database with rows in every table; what it does is taken back."""
    engine = create(postgres_server.url(filled_template))
    with engine.connect() as connection:
        yield connection
        connection.rollback()
    engine.dispose()


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer, filled_template: str):
    """A database with the newest schema and rows in every table."""
    name = postgres_server.create(filled_template)
    use_environment(monkeypatch, DATABASE_URL=postgres_server.url(name))
    yield postgres_server.url(name)
    forget_environment()
    postgres_server.drop(name)


@pytest.fixture(scope="session")
def filled_template(postgres_server: PostgresServer) -> str:
    name = postgres_server.create()
    with pytest.MonkeyPatch.context() as patch:
        use_environment(patch, DATABASE_URL=postgres_server.url(name))
        climb(ROOT, revisions()[-1])
        forget_environment()
    return name
