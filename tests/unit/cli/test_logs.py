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


@pytest.fixture
def logs(tmp_path: Path) -> str:
    (tmp_path / "a.log").write_text(
        "2026-11-25 10:00:00 INFO x: one \x1b[2J\n2026-11-25 10:01:00 ERROR x: two\n  why\n"
    )
    (tmp_path / "b.log").write_text("2026-11-25 10:00:30 WARN y: three password=hunter22\n")
    return f"--directory={tmp_path}"


def test_search_shows_records_of_all_files_and_nothing_that_a_terminal_obeys(logs: str):
    said = run("search", logs)
    assert said.exit_code == 0
    assert said.output.splitlines() == [
        "a.log | 2026-11-25 10:01:00 ERROR x: two",
        "a.log |   why",
        "b.log | 2026-11-25 10:00:30 WARN y: three password=***",
        "a.log | 2026-11-25 10:00:00 INFO x: one \\x1b[2J",
    ]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["two"], ["two"]),
        (["-e", "t(wo|hree)", "--oldest"], ["three", "two"]),
        (["--level", "warning", "--to", "2026-11-25T10:01:00Z"], ["three"]),
        (["ONE", "-i", "--file", "a*"], ["one"]),
        (["--from", "2026-11-25 10:00:30", "-n", "1"], ["two"]),
        (["nothing"], []),
    ],
)
def test_search_takes_what_the_api_takes(logs: str, arguments: list[str], found: list[str]):
    said = run("search", logs, "--json", *arguments)
    assert said.exit_code == (0 if found else 1)
    records = json.loads(said.output)["records"]
    assert [one["text"].split(": ")[1].split()[0] for one in records] == found


def test_a_truncated_answer_says_how_to_go_on(logs: str):
    said = run("search", logs, "-n", "1")
    assert "There may be more (limit): covered is 2026-11-25 10:01:00 to 2026-11-25 10:01:00" in said.stderr
    cursor = said.stderr.rsplit(" ", 1)[1].strip()
    assert "three" in run("search", logs, "-n", "1", "--cursor", cursor).stdout


def test_count_is_a_number(logs: str):
    assert run("search", logs, "x:", "--count").output == "2\n"


@pytest.mark.parametrize(
    "arguments", [["-e", "("], ["--from", "soon"], ["--level", "loud"], ["--field", "x"], ["--cursor", "x"]]
)
def test_a_search_that_is_no_use_is_bad_usage(logs: str, arguments: list[str]):
    said = run("search", logs, *arguments)
    assert said.exit_code == 2
    assert "Error: " in said.output


def test_tail_and_histogram(logs: str):
    assert run("tail", "a.log", logs, "-n", "1").output == "2026-11-25 10:01:00 ERROR x: two\n  why\n"
    facts = [
        json.loads(line)
        for line in run("tail", "a.log", logs, "--level", "error", "--json").output.splitlines()
    ]
    assert [one["level"] for one in facts] == ["ERROR"]
    missing = run("tail", "c.log", logs)
    assert missing.exit_code == 2
    assert "there are a.log, b.log" in missing.output
    counts = json.loads(run("histogram", logs, "--json").output)["counts"]
    assert counts == {"ERROR": 1, "WARNING": 1, "INFO": 1}
    assert "1 ERROR" in run("histogram", logs).output
