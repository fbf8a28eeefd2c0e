"""What PostgreSQL counts in pg_stat_statements goes into the store. The wheel lacks it: Debian's is used."""

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.detectors import server_statements
from watchfleet.embedded import postgres
from watchfleet.embedded.ports import free_port
from watchfleet.embedded.privileges import hand_over
from watchfleet.instrument.fingerprint import key_of
from watchfleet.metrics import read

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/lib/pg_stat_statements.so"))
OWN = "shared_preload_libraries = 'pg_stat_statements'\nunix_socket_directories = ''\nfsync = off\n"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    programs = INSTALLED[-1].parents[1] / "bin"
    monkeypatch.setattr(postgres, "binary", lambda name: programs / name)
    monkeypatch.setattr(postgres, "_CONFIGURATION", OWN)
    data, port, password = tmp_path / "data", free_port(), secrets.token_hex(8)
    postgres.initialise(data, password)
    hand_over(data)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(postgres.serve_command(data, port), stdout=log, stderr=log)
    url = postgres.url(port, password)
    try:
        until_served(url)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def until_served(url: str) -> None:
    for _ in range(200):
        try:
            psycopg2.connect(url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("PostgreSQL does not serve")


@pytest.mark.skipif(not INSTALLED, reason="Debian's PostgreSQL is not installed")
@pytest.mark.usefixtures("environment")
def test_what_the_server_counts_is_kept(server: str) -> None:
    gone = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    assert server_statements.publish({"orders": server, "gone": gone}, utcnow()) == 0
    with closing(psycopg2.connect(server)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION pg_stat_statements")
        for number in range(3):
            cursor.execute(f"SELECT count(*) FROM pg_class WHERE relpages > {number}")
        connection.commit()
    assert server_statements.publish({"orders": server, "gone": gone}, utcnow()) >= 2
    since, kind = utcnow() - timedelta(minutes=1), key_of("SELECT count(*) FROM pg_class WHERE relpages > 1")
    with transaction() as connection:
        (calls,) = read.latest(connection, "pg_stat_statements_calls_total", since, {"fingerprint": kind})
        (took,) = read.latest(connection, "pg_stat_statements_seconds_total", since, {"fingerprint": kind})
    assert (calls.labels["target"], calls.points[0][1]) == ("orders", 3)
    assert 0 < took.points[0][1] < 10
