import gzip
import json
import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from watchfleet.logs import configure_logging
from watchfleet.logs.files import LogRoot
from watchfleet.logs.follow import Follower
from watchfleet.logs.query import Query
from watchfleet.logs.retention import Policy
from watchfleet.logs.search import count, search
from watchfleet.logs.upkeep import Place, clean

WRITER = """
import logging, sys
from watchfleet.logs import configure_logging
configure_logging("app")
for number in range(int(sys.argv[2])):
    logging.getLogger("shop").info("writer %s line %06d %s", sys.argv[1], number, "x" * (number % 200))
"""


def writers(directory: Path, lines: int, **variables: str) -> list[subprocess.Popen[bytes]]:
    environment = {**os.environ, "LOG_DIRECTORY": str(directory), **variables}
    return [
        subprocess.Popen([sys.executable, "-c", WRITER, str(number), str(lines)], env=environment)
        for number in range(4)
    ]


def messages(directory: Path) -> list[str]:
    found = []
    for path in directory.iterdir():
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert data.endswith(b"\n")
        found += [json.loads(line)["message"] for line in data.splitlines()]
    return found


def test_four_writers_of_one_file_lose_and_tear_nothing_while_it_is_searched_packed_and_followed(
    tmp_path: Path,
):
    # LOG_LINES=15000 is the long form: 60,000 lines.
    lines = int(os.environ.get("LOG_LINES", "3000"))
    (tmp_path / "app.log").touch()
    root, followed, searched = LogRoot(tmp_path), [], 0
    policy = Policy(timedelta(days=1), 1000, 10**12)
    follower = Follower(root, "app.log")
    processes = writers(tmp_path, lines, LOG_MAX_FILE_SIZE_MB="0.2", LOG_MAX_FILES="1000")
    while any(process.poll() is None for process in processes):
        followed += [record.message for _, record in follower.poll()]
        searched += len(search(root, Query(text="line", limit=50)).records)
        clean([Place(tmp_path, policy)])
    followed += [record.message for _, record in follower.poll()]
    follower.close()
    assert [process.wait() for process in processes] == [0] * 4
    assert searched > 0
    assert len({path.name for path in tmp_path.iterdir()}) > 10
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 0.25 * 1024 * 1024
    expected = {
        f"writer {writer} line {number:06d} {'x' * (number % 200)}"
        for writer in range(4)
        for number in range(lines)
    }
    found = messages(tmp_path)
    assert len(found) == len(expected)
    assert set(found) == expected
    assert count(root, Query(text="writer"))[0] == len(expected)
    assert (
        set(followed) <= expected
    )  # whole lines, though it may miss a file that came and went between two looks


@pytest.mark.parametrize(("megabytes", "files"), [("0.001", "3"), ("0.002", "1")])
def test_size_and_number_of_files_are_what_the_variables_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, megabytes: str, files: str
):
    monkeypatch.setenv("LOG_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("LOG_MAX_FILE_SIZE_MB", megabytes)
    monkeypatch.setenv("LOG_MAX_FILES", files)
    configure_logging("app")
    for number in range(50):
        logging.getLogger("shop").info("%s %s", number, "x" * 400)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert len(sizes) == int(files) + 1
    assert max(sizes.values()) <= float(megabytes) * 1024 * 1024
    assert "49 x" in (tmp_path / "app.log").read_text().splitlines()[-1]


def test_old_generations_go_when_a_process_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOG_RETENTION_DAYS", "2")
    for stamp in ("20261101T000000.000000Z", "20261102T000000.000000Z"):
        old = tmp_path / f"app.log.{stamp}"
        old.touch()
        os.utime(old, (0, 0))
    (tmp_path / "app.log.20261103T000000.000000Z").touch()
    configure_logging("app", directory=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"app.log", "app.log.20261103T000000.000000Z"}


def test_a_line_longer_than_a_file_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOG_MAX_FILE_SIZE_MB", "0.0001")
    configure_logging("app", directory=tmp_path)
    for _ in range(3):
        logging.getLogger("shop").info("x" * 1000)
    assert len(messages(tmp_path)) == 3
    assert all(path.stat().st_size for path in tmp_path.iterdir())


def test_what_cannot_be_rotated_is_told_once_and_no_line_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("LOG_MAX_FILE_SIZE_MB", "0.0001")
    (tmp_path / "real.log").touch()
    (tmp_path / "app.log").symlink_to("real.log")  # a link is nothing to rename
    configure_logging("app", directory=tmp_path)
    for number in range(3):
        logging.getLogger("shop").info("%s %s", number, "x" * 100)
    assert len((tmp_path / "real.log").read_text().splitlines()) == 3
    assert capsys.readouterr().err.count("cannot be rotated") == 1


def test_it_goes_with_a_rename_from_outside_and_comes_back_after_a_deletion(tmp_path: Path):
    configure_logging("app", directory=tmp_path)
    logging.getLogger("shop").info("one")
    (tmp_path / "app.log").rename(tmp_path / "app.log.1")
    logging.getLogger("shop").info("two")
    (tmp_path / "app.log").unlink()
    logging.getLogger("shop").info("three")
    assert json.loads((tmp_path / "app.log").read_text())["message"] == "three"
    assert json.loads((tmp_path / "app.log.1").read_text())["message"] == "one"
