import logging
import os
import sys
import time
from pathlib import Path

import pytest

from watchfleet.embedded import leftovers
from watchfleet.settings import Settings
from workers import logs


def written(handler: logging.Handler, *messages: str) -> None:
    for message in messages:
        handler.handle(logging.LogRecord("test", logging.ERROR, __file__, 1, message, None, None))
    handler.close()


def test_a_line_tells_when_in_utc_who_and_what_without_secrets(tmp_path: Path):
    settings = Settings(log_directory=tmp_path / "new" / "folder")
    written(logs.handler(settings, "probes"), "cannot reach postgresql://monitor:topsecret@db/x")
    (line,) = (tmp_path / "new" / "folder" / "probes.log").read_text().splitlines()
    stamp, level, _process, logger, message = line.split(" ", 4)
    assert abs(time.time() - time.mktime(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 60
    assert (stamp[-1], level, logger) == ("Z", "ERROR", "test:")
    assert message == "cannot reach postgresql://monitor:***@db/x"


def test_a_file_is_rotated_by_size_and_former_ones_are_counted(tmp_path: Path):
    settings = Settings(log_directory=tmp_path, log_max_file_size_mb=0.001, log_max_files=2)
    written(logs.handler(settings, "probes"), *("x" * 600 for _ in range(5)))
    assert {path.name for path in tmp_path.iterdir()} == {"probes.log", "probes.log.1", "probes.log.2"}


def test_former_files_go_when_they_are_old(tmp_path: Path):
    settings = Settings(log_directory=tmp_path, log_retention_days=2)
    for number, days in ((1, 1), (2, 3)):
        path = tmp_path / f"probes.log.{number}"
        path.touch()
        os.utime(path, (time.time() - days * 86_400,) * 2)
    foreign = tmp_path / "probes.log.2.bak"
    foreign.touch()
    os.utime(foreign, (0, 0))
    written(logs.handler(settings, "probes"))
    assert {path.name for path in tmp_path.iterdir()} == {"probes.log", "probes.log.1", foreign.name}


def test_without_a_directory_it_goes_to_standard_error(capsys: pytest.CaptureFixture[str]):
    written(logs.handler(Settings(), "probes"), "here")
    assert capsys.readouterr().err.endswith("here\n")


def test_a_directory_that_cannot_be_made_is_told_once_and_lost_is_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").touch()
    settings = Settings(log_directory=tmp_path / "file" / "logs")
    written(logs.handler(settings, "probes"), "here")
    told, line = capsys.readouterr().err.splitlines()
    assert f"LOG_DIRECTORY={settings.log_directory}: " in told
    assert line.endswith("here")


def test_what_supervisord_keeps_is_not_written_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert logs.KEPT == leftovers.MARK
    monkeypatch.setenv(logs.KEPT, "/data")
    handler = logs.handler(Settings(log_directory=tmp_path), "probes")
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stderr
    assert not list(tmp_path.iterdir())
