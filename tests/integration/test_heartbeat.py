"""Jobs that ping: over HTTP, by the decorator, by Celery's signals; and what the check makes of it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from support.servers import ROOT, free_port, use_environment
from werkzeug.serving import make_server

import watchfleet
from watchfleet.db.engine import transaction
from watchfleet.errors import ConfigError
from watchfleet.instrument.faults import faults
from watchfleet.model import ProbeResult
from watchfleet.probes.batch import run_batch
from watchfleet.probes.targets import get_targets
from watchfleet.redact import redact
from watchfleet.web import create_app

KEY, OTHER = "nightly-backup-5f3a", "weekly-report-91bc"
CONFIGURATION = f"""
targets:
  - {{name: backup, kind: heartbeat, key: {KEY}, period: 1d, grace: 1h}}
  - {{name: report, kind: heartbeat, key: {OTHER}, cron: "0 6 * * 1", timezone: Europe/Berlin}}
"""


@pytest.fixture
def client(environment: pytest.MonkeyPatch, tmp_path: Path) -> FlaskClient:
    path = tmp_path / "watchfleet.yml"
    path.write_text(CONFIGURATION)
    use_environment(environment, WATCHFLEET_CONFIG=str(path))
    return create_app().test_client()


@pytest.fixture
def address(client: FlaskClient) -> Iterator[str]:
    """Where the backup's heartbeat is really served."""
    server = make_server("127.0.0.1", 0, client.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/ping/{KEY}"
    server.shutdown()
    thread.join()
    server.server_close()


def checked() -> dict[str, ProbeResult]:
    mine = [target for target in get_targets() if target.kind == "heartbeat"]
    return {result.target: result for result in run_batch(mine)}


def standing(name: str = "backup") -> tuple[str, str]:
    return str(checked()[name].status), checked()[name].reason


def test_pings_of_every_kind_are_seen_by_the_next_check(client: FlaskClient) -> None:
    assert standing() == ("unknown", "no_ping_yet")
    for method in ("get", "post", "head"):
        assert getattr(client, method)(f"/ping/{KEY}").status_code == 200
        assert standing() == ("up", "")
    assert client.post(f"/ping/{KEY}/fail", data=b"disk full\0 \xff").data == b"OK\n"
    assert standing() == ("down", "job_failed")
    assert "disk full" in checked()["backup"].detail
    assert client.get(f"/ping/{KEY}/0").status_code == 200
    assert standing() == ("up", "")
    assert client.get(f"/ping/{KEY}/17").status_code == 200
    assert "exit code 17" in checked()["backup"].detail
    client.post(f"/ping/{KEY}/start")
    client.post(f"/ping/{KEY}")
    (values,) = [{one.name: one.value for one in checked()["backup"].values}]
    assert values.keys() == {"heartbeat_last_success_age_seconds", "heartbeat_run_seconds"}
    assert 0 <= values["heartbeat_run_seconds"] < 60
    assert standing("report") == ("unknown", "no_ping_yet")


def test_what_is_missing_or_wrong_is_told(client: FlaskClient) -> None:
    client.post(f"/ping/{KEY}")
    for column, ago, reason in (
        ("ended_at", "25 hours 1 minute", "ping_missed"),
        ("ended_at", "24 hours 1 minute", "ping_late"),
    ):
        with transaction() as connection:
            connection.execute(text(f"UPDATE heartbeat SET {column} = now() - interval '{ago}'"))
        assert standing()[1] == reason
    client.post(f"/ping/{KEY}/start")
    with transaction() as connection:
        connection.execute(text("UPDATE heartbeat SET started_at = now() - interval '61 minutes'"))
    assert standing() == ("down", "job_unfinished")
    assert client.get("/ping/nobody-knows-this").status_code == 404
    assert client.get(f"/ping/{KEY}/256").status_code == 400
    assert client.get(f"/ping/{KEY}/sta").status_code == 404


def test_a_store_that_is_away_is_told_to_both(client: FlaskClient, environment: pytest.MonkeyPatch) -> None:
    use_environment(environment, DATABASE_URL=f"postgresql://u:secret@127.0.0.1:{free_port()}/x")
    answer = client.post(f"/ping/{KEY}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert standing() == ("unknown", "store_unavailable")


def test_the_decorator_and_the_block(address: str) -> None:
    @watchfleet.heartbeat(address)
    def job(cause: BaseException | None = None) -> int:
        assert standing() in {("unknown", "no_ping_yet"), ("up", ""), ("down", "job_failed")}
        if cause is not None:
            raise cause
        return 7

    assert job() == 7
    assert standing() == ("up", "")
    with pytest.raises(ZeroDivisionError):
        job(ZeroDivisionError("by zero"))
    assert "ZeroDivisionError: by zero" in checked()["backup"].detail
    with pytest.raises(SystemExit), watchfleet.heartbeat(address):
        sys.exit(4)
    assert "exit code 4" in checked()["backup"].detail
    with pytest.raises(SystemExit), watchfleet.heartbeat(address):
        sys.exit()
    assert standing() == ("up", "")


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_slash_behind_the_key_does_not_matter_and_does_not_tell_it(address: str, slash: str) -> None:
    with watchfleet.heartbeat(address + slash):
        pass
    assert standing() == ("up", "")
    own = "a-key-that-only-the-job-knows"  # the fleet of this process keeps those of its targets secret, too
    watchfleet.heartbeat(address.replace(KEY, own) + slash)
    assert own not in redact(f"no answer for {own}")


@pytest.mark.parametrize("lost", ["/ping/nobody-knows-this", ""])
def test_a_ping_that_nobody_takes_does_not_hurt_the_job(address: str, lost: str) -> None:
    before = faults.counts.get("heartbeat", 0)
    url = address.replace(f"/ping/{KEY}", lost) if lost else f"http://127.0.0.1:{free_port()}/ping/{KEY}"
    with watchfleet.heartbeat(url, timeout=0.2):
        done = True
    assert done
    assert faults.counts["heartbeat"] == before + 2
    with pytest.raises(ConfigError, match="none of HTTP"):
        watchfleet.heartbeat("file:///etc/passwd")


PROGRAM = """
import sys
from celery import Celery
import watchfleet

app = Celery("shop", broker="memory://")
watchfleet.instrument(app, heartbeats={"backup": sys.argv[1]})

@app.task(name="backup")
def backup(fails):
    if fails:
        raise ValueError("no tape")

@app.task(name="another")
def another():
    raise ValueError("not followed")

backup.apply((sys.argv[2] == "fails",))
another.apply()
"""


@pytest.mark.parametrize(("how", "expected"), [("well", ("up", "")), ("fails", ("down", "job_failed"))])
def test_celery_tasks_are_followed(address: str, how: str, expected: tuple[str, str]) -> None:
    environment = {**os.environ, "WATCHFLEET_BROKER_URL": os.environ["BROKER_URL"]}
    command = [sys.executable, "-c", PROGRAM, address, how]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60)
    assert standing() == expected
    assert how == "well" or "ValueError: no tape" in checked()["backup"].detail
