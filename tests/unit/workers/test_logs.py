import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gunicorn.config import Config
from support.servers import forget_environment, use_environment

from watchfleet.embedded.leftovers import MARK
from workers import logs


@pytest.fixture(autouse=True)
def untouched_root() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(before):
        handler.close()
    root.handlers[:] = before
    root.setLevel(level)
    forget_environment()


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_process_writes_its_own_file_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    use_environment(monkeypatch, LOG_DIRECTORY=str(tmp_path / "new" / "folder"))
    logs.configure(logging.INFO, "probes")
    logging.getLogger("test").error("cannot reach %s", "postgresql://monitor:topsecret@db/x")
    (record,) = records(tmp_path / "new" / "folder" / "probes.log")
    assert record["message"] == "cannot reach postgresql://monitor:***@db/x"


def test_a_file_on_the_command_line_is_rotated_by_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    use_environment(monkeypatch, LOG_DIRECTORY=str(tmp_path / "a"), LOG_MAX_FILE_SIZE_MB="0.001")
    own = tmp_path / "mine.log"
    logs.configure(logging.INFO, "probes", str(own))
    for number in range(10):
        logging.getLogger("test").error("%s %s", number, "x" * 500)
    own.rename(tmp_path / "mine.log.old")
    logging.getLogger("test").error("next")
    assert [record["message"] for record in records(own)] == ["next"]
    assert len(records(tmp_path / "mine.log.old")) == 10
    assert not (tmp_path / "a").exists()


def test_what_supervisord_keeps_is_not_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    use_environment(monkeypatch, LOG_DIRECTORY=str(tmp_path))
    monkeypatch.setenv(MARK, "/data")
    logs.configure(logging.INFO, "probes")
    logging.getLogger("test").error("here")
    assert json.loads(capsys.readouterr().err)["message"] == "here"
    assert not list(tmp_path.iterdir())


def test_the_log_of_every_task_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    use_environment(monkeypatch, LOG_DIRECTORY=str(tmp_path))
    logs.configure(logging.INFO, "probes")
    logging.getLogger("celery.app.trace").info("a task went")
    logging.getLogger("celery.app.trace").warning("a task failed")
    assert [record["message"] for record in records(tmp_path / "probes.log")] == ["a task failed"]


def test_gunicorn_writes_where_the_web_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    use_environment(monkeypatch, LOG_DIRECTORY=str(tmp_path))
    logger = logs.GunicornLogger(Config())
    logger.error("worker %s timed out", 7)
    logging.getLogger("watchfleet.web").warning("mine")
    assert [record["message"] for record in records(tmp_path / "web.log")] == ["worker 7 timed out", "mine"]
    assert capsys.readouterr().err == ""
    assert sys.stderr not in [getattr(one, "stream", None) for one in logger.error_log.handlers]
