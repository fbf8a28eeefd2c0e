"""A real PostgreSQL and a real Valkey for the whole run; a database of its own for each test."""

import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from alembic import command
from alembic.config import Config
from redis import Redis, RedisError

from watchfleet.db import engine as engine_module
from watchfleet.db.cache import get_cache
from watchfleet.embedded import postgres, valkey
from watchfleet.settings import get_settings

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(check: Callable[[], bool], seconds: float = 30, every: float = 0.05) -> None:
    """Return as soon as `check` is true; fail when it is not within `seconds`."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(f"{check} was not true within {seconds} s")
        time.sleep(every)


@contextmanager
def running(
    command: list[str],
    log: Path,
    stop: signal.Signals = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; killed when it does not stop within ten seconds."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


class PostgresServer:
    """One server; `create` clones a database from the migrated template."""

    def __init__(self, port: int, password: str) -> None:
        self.port, self.password = port, password

    def url(self, database: str = postgres.DATABASE) -> str:
        return postgres.url(self.port, self.password, database)

    def answers(self) -> bool:
        try:
            psycopg2.connect(self.url(), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def execute(self, statement: str) -> None:
        with closing(psycopg2.connect(self.url())) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def create(self, template: str = "template0") -> str:
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    directory, password, port = tmp_path_factory.mktemp("postgres"), secrets.token_hex(16), free_port()
    data = directory / "data"
    postgres.initialise(data, password)
    with (data / "postgresql.conf").open("a") as file:
        file.write("fsync = off\nautovacuum = off\nmax_connections = 200\n")
    with running(postgres.serve_command(data, port), directory / "log", signal.SIGINT):
        server = PostgresServer(port, password)
        wait_until(server.answers)
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """The name of a database that holds the newest schema and nothing else."""
    name = postgres_server.create()
    with pytest.MonkeyPatch.context() as patch:
        use_environment(patch, DATABASE_URL=postgres_server.url(name))
        command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
        forget_environment()
    return name


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with nothing in it."""
    name = postgres_server.create()
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture
def database_url(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """A database of the test's own with the newest schema."""
    name = postgres_server.create(migrated_template)
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running Valkey."""
    directory, password, port = tmp_path_factory.mktemp("valkey"), secrets.token_hex(16), free_port()
    configuration = valkey.configure(directory, port, password)
    with configuration.open("a") as file:
        file.write("appendfsync no\n")  # a disk that is busy with other tests must not hold up every client
    with running(valkey.serve_command(configuration), directory / "log"):
        url = valkey.url(port, password)
        client = Redis.from_url(url)
        wait_until(lambda: _pings(client))
        client.close()
        yield url


@pytest.fixture
def redis_url(valkey_server: str) -> str:
    """An empty Redis; tests of one run share the server one after the other."""
    with closing(Redis.from_url(valkey_server)) as client:
        client.flushall()
    return valkey_server


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> Iterator[pytest.MonkeyPatch]:
    """This process configured for the test's own database and Redis."""
    use_environment(monkeypatch, DATABASE_URL=database_url, BROKER_URL=redis_url)
    yield monkeypatch
    forget_environment()


def use_environment(patch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set variables, and have this process read its settings anew."""
    for name, value in variables.items():
        patch.setenv(name, value)
    forget_environment()


def forget_environment() -> None:
    """Close what was opened for the settings so far."""
    for check in threading.enumerate():
        if check.name == "own check":  # the web process's: it would be left with half a connection
            check.join(10)
    if engine_module.get_engine.cache_info().currsize:
        engine_module.get_engine().dispose()
    if get_cache.cache_info().currsize:
        get_cache().close()
    for cached in (get_settings, engine_module.get_engine, get_cache):
        cached.cache_clear()


def _pings(client: "Redis") -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
