"""Servers of a test's own, which it may kill, stop and start again."""

import secrets
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from alembic import command
from alembic.config import Config
from redis import Redis, RedisError
from support.servers import (
    ROOT,
    PostgresServer,
    forget_environment,
    free_port,
    running,
    use_environment,
    wait_until,
)

from watchfleet.embedded import postgres, valkey


class Mortal:
    """A server process with its children."""

    def __init__(self, start: Callable[[], AbstractContextManager[psutil.Process]]) -> None:
        self._start = start
        self._running: AbstractContextManager[psutil.Process] | None = None
        self._process: psutil.Process | None = None

    def start(self) -> None:
        self._running = self._start()
        self._process = self._running.__enter__()

    def kill(self) -> None:
        """End it as the kernel would, without a word."""
        assert self._process is not None
        # Else PostgreSQL may start a child meanwhile, and while one is left, the next server does not start.
        self._process.suspend()
        wait_until(self._is_stopped, 10, 0.001)
        family = self._family()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        wait_until(lambda: all(map(_is_gone, family)), 10, 0.001)
        self.end()

    def _is_stopped(self) -> bool:
        assert self._process is not None
        return self._process.status() in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}

    def stop(self) -> None:
        """Have it hang: connections stay open, and nothing answers."""
        for process in self._family():
            process.suspend()

    def resume(self) -> None:
        for process in self._family():
            process.resume()

    def end(self) -> None:
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None

    def _family(self) -> list[psutil.Process]:
        assert self._process is not None
        return [*self._process.children(recursive=True), self._process]


def _is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def mortal_postgres(folder: Path, fsync: str = "off") -> Iterator[tuple[Mortal, PostgresServer]]:
    """A PostgreSQL of the test's own, running."""
    password, port = secrets.token_hex(16), free_port()
    data = folder / "postgres"
    postgres.initialise(data, password)
    with (data / "postgresql.conf").open("a") as file:
        file.write(f"fsync = {fsync}\nautovacuum = off\n")
    server = PostgresServer(port, password)

    @contextmanager
    def start() -> Iterator[psutil.Process]:
        # What a kill -9 leaves behind: another process may have the number that it names.
        (data / "postmaster.pid").unlink(missing_ok=True)
        serve = postgres.serve_command(data, port)
        with running(serve, folder / "postgres.log", signal.SIGINT) as process:
            wait_until(server.answers, 120)
            yield psutil.Process(process.pid)

    mortal = Mortal(start)
    mortal.start()
    try:
        yield mortal, server
    finally:
        mortal.end()
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def mortal_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mortal, PostgresServer]]:
    """A PostgreSQL with the schema for tests that kill it; each leaves it running."""
    with mortal_postgres(tmp_path_factory.mktemp("mortal")) as (mortal, server):
        with pytest.MonkeyPatch.context() as patch:
            use_environment(patch, DATABASE_URL=server.url())
            command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
        forget_environment()
        yield mortal, server


@contextmanager
def mortal_valkey(folder: Path) -> Iterator[tuple[Mortal, str]]:
    """A Valkey of the test's own, running, and its address."""
    password, port = secrets.token_hex(16), free_port()
    serve = valkey.serve_command(valkey.configure(folder / "valkey", port, password))
    url = valkey.url(port, password)

    def answers() -> bool:
        with closing(Redis.from_url(url)) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False

    @contextmanager
    def start() -> Iterator[psutil.Process]:
        with running(serve, folder / "valkey.log") as process:
            wait_until(answers)
            yield psutil.Process(process.pid)

    mortal = Mortal(start)
    mortal.start()
    try:
        yield mortal, url
    finally:
        mortal.end()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield int(listener.getsockname()[1])
