from pathlib import Path

from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.report import restarts

LOG = """\
2026-11-23 10:00:00,000 INFO supervisord started with pid 1
2026-11-23 10:00:00,100 INFO spawned: 'web' with pid 2
2026-11-23 10:00:01,000 INFO spawned: 'web' with pid 3
2026-11-23 11:00:00,000 INFO supervisord started with pid 10
2026-11-23 11:00:00,100 INFO spawned: 'web' with pid 12
2026-11-23 11:00:00,200 INFO spawned: 'beat-1' with pid 13
2026-11-23 11:00:09,000 WARN exited: beat-1 (terminated by SIGKILL; not expected)
2026-11-23 11:00:10,000 INFO spawned: 'beat-1' with pid 14
"""


def test_restarts_are_counted_since_the_supervisor_started(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.prepare()
    (directory.log / "supervisord.log").write_text(LOG)
    assert restarts(directory) == {"web": 0, "beat-1": 1}


def test_a_rotated_log_counts_too(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.prepare()
    head, tail = LOG[: LOG.index("2026-11-23 11:00:09")], LOG[LOG.index("2026-11-23 11:00:09") :]
    (directory.log / "supervisord.log.1").write_text(head)
    (directory.log / "supervisord.log").write_text(tail)
    assert restarts(directory)["beat-1"] == 1


def test_without_a_log_there_are_none(tmp_path: Path) -> None:
    assert restarts(DataDirectory(tmp_path))["web"] == 0
