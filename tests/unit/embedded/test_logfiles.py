from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from watchfleet.embedded.logfiles import Follower, last_lines


@pytest.fixture
def follow() -> Iterator[Callable[[Path], Follower]]:
    with ExitStack() as stack:
        yield lambda path: stack.enter_context(closing(Follower(path)))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "web.log"


def test_the_last_lines_of_a_file_of_many_blocks(log: Path) -> None:
    log.write_text("".join(f"line {number} {'x' * 100}\n" for number in range(5000)))
    found = last_lines(log, 1500)
    assert [line.split()[1] for line in found] == [str(number) for number in range(3500, 5000)]


def test_more_lines_than_there_are(log: Path) -> None:
    log.write_text("one\ntwo")
    assert last_lines(log, 10) == ["one", "two"]


def test_lines_from_before_the_rotation_come_first(log: Path) -> None:
    log.with_name("web.log.1").write_text("old 1\nold 2\n")
    log.write_text("new\n")
    assert last_lines(log, 2) == ["old 2", "new"]


@pytest.mark.parametrize("count", [0, 3])
def test_a_file_that_is_not_there_has_no_lines(log: Path, count: int) -> None:
    assert last_lines(log, count) == []


def test_none_are_none(log: Path) -> None:
    log.write_text("one\n")
    assert last_lines(log, 0) == []


def test_a_follower_tells_of_finished_lines_only_and_not_of_the_past(
    log: Path, follow: Callable[[Path], Follower]
) -> None:
    log.write_text("past\n")
    follower = follow(log)
    with log.open("a") as file:
        file.write("one\ntw")
    assert list(follower.new_lines()) == ["one"]
    with log.open("a") as file:
        file.write("o\n")
    assert list(follower.new_lines()) == ["two"]


def test_a_follower_goes_with_the_rotation_and_loses_nothing(
    log: Path, follow: Callable[[Path], Follower]
) -> None:
    log.write_text("")
    follower = follow(log)
    with log.open("a") as file:
        file.write("last of the old\n")
    log.rename(log.with_name("web.log.1"))
    log.write_text("first of the new\n")
    assert list(follower.new_lines()) == ["last of the old", "first of the new"]


def test_a_follower_waits_for_a_file_that_is_not_there_yet(
    log: Path, follow: Callable[[Path], Follower]
) -> None:
    follower = follow(log)
    assert list(follower.new_lines()) == []
    log.write_text("hello\n")
    assert list(follower.new_lines()) == ["hello"]


def test_a_follower_begins_again_when_the_file_was_cut(log: Path, follow: Callable[[Path], Follower]) -> None:
    log.write_text("a long line that is there\n")
    follower = follow(log)
    log.write_text("new\n")
    assert list(follower.new_lines()) == ["new"]
