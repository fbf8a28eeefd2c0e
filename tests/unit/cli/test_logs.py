import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.servers import forget_environment, use_environment

from watchfleet.cli import cli
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.state import Managed, State


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = DataDirectory(tmp_path / "data")
    directory.prepare()
    processes = [
        Managed(name=name, purpose="", log=directory.log / f"{name}.log") for name in ("web", "alerts")
    ]
    State(processes=processes).save(directory)
    (directory.log / "web.log").write_text("plain \x1b[31mred\n")
    record = {"time": "2026-11-25T09:30:00.000000Z", "level": "ERROR", "logger": "x", "message": "down"}
    record |= {
        "process": "MainProcess",
        "pid": 1,
        "task_id": "t-1",
        "account": 7,
        "exception": "Traceback\nE: x",
    }
    (directory.log / "alerts.log").write_text(json.dumps(record) + "\n")
    yield directory.path
    forget_environment()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["logs", *arguments], prog_name="watchfleet")


def test_without_a_command_it_shows_what_a_process_wrote(data: Path):
    said = run("alerts", "--data-dir", str(data)).output
    assert said == (
        "2026-11-25T09:30:00.000000Z ERROR MainProcess x: down task_id=t-1 account=7\n  Traceback\n  E: x\n"
    )
    assert run("show", "--data-dir", str(data), "alerts").output == said


def test_a_terminal_obeys_nothing_that_a_log_holds(data: Path):
    assert run("-n", "5", "web", "--data-dir", str(data)).output == "plain \\x1b[31mred\n"


def test_an_unknown_process_is_told(data: Path):
    said = run("nothing", "--data-dir", str(data))
    assert said.exit_code == 2
    assert "no process is named nothing; there are web, alerts" in said.output


def test_clean_lists_first_and_deletes_the_same(data: Path, monkeypatch: pytest.MonkeyPatch):
    use_environment(monkeypatch, LOG_RETENTION_DAYS="2")
    log = DataDirectory(data).log
    for name, days in (("web.log.1", 3), ("web.log.2", 1), ("other.log.1", 9)):
        (log / name).write_text("x" * 100)
        os.utime(log / name, (time.time() - days * 86_400,) * 2)
    told = run("clean", "--dry-run", "--data-dir", str(data))
    assert told.exit_code == 0
    assert "1 files would be deleted (0.0 MB), 0 compressed." in told.output
    assert (log / "web.log.1").exists()
    facts = json.loads(run("clean", "--json", "--data-dir", str(data)).output)
    assert [(one["path"], one["reason"], one["bytes"]) for one in facts["deleted"]] == [
        (str(log / "web.log.1"), "age", 100)
    ]
    assert not (log / "web.log.1").exists()
    assert (log / "web.log.2").exists()
    assert (log / "other.log.1").exists()


def test_clean_without_logs_says_so(tmp_path: Path):
    said = CliRunner().invoke(cli, ["logs", "clean", "--data-dir", str(tmp_path / "none")])
    assert said.exit_code == 1
    assert "there are no logs" in str(said.exception)
