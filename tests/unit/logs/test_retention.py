import gzip
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watchfleet.logs import retention, upkeep
from watchfleet.logs.generations import STAMP, generation, stamped
from watchfleet.logs.retention import Kept, Policy, plan
from watchfleet.logs.upkeep import Place, clean

NOW = 1_000_000.0
DAY = 86_400.0
WIDE = Policy(timedelta(days=1000), 1000, 10**12)


def file(live: str, days: float, size: int = 10) -> Kept:
    name = stamped(live, NOW - days * DAY)
    found = generation(name, ())
    assert found is not None
    return Kept(name, found, size, NOW - days * DAY, 0)


def going(found: list[Kept], policy: Policy) -> list[tuple[str, float, str]]:
    return [
        (one.file.generation.live, (NOW - one.file.ended) / DAY, one.reason)
        for one in plan(found, policy, NOW)
    ]


def test_first_by_age_then_by_count_then_by_total_size():
    found = [file("a.log", day) for day in (1, 2, 3, 9)] + [file("b.log", 1.5), file("b.log", 8)]
    assert going(found, WIDE) == []
    assert going(found, Policy(timedelta(days=7), 2, 25)) == [
        ("a.log", 9, "age"),
        ("b.log", 8, "age"),
        ("a.log", 3, "count"),
        ("a.log", 2, "total_size"),
    ]


def test_a_name_is_ours_only_if_nobody_else_writes_such_ones():
    assert generation("a.log.20261125T093000.123456Z", ()) is not None
    assert generation("a.log.20261125T093000.123456Z.gz", ()) is not None
    assert generation("a.log.3", {"a.log"}) is not None
    for name in ("a.log", "a.log.1", "a.log.gz", "a.txt.20261125T093000.123456Z", "a.log.20261125"):
        assert generation(name, {"b.log"}) is None
    assert generation("a.log.0", {"a.log"}) is None
    assert generation("a.log.1.gz", {"a.log"}) is None


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A directory with old generations of ours, and all that must stay although it is old."""
    logs = tmp_path / "logs"
    logs.mkdir()
    outside = tmp_path / "outside.txt"
    outside.write_text("precious")
    for number in range(5):
        old = logs / stamped("app.log", 1000.0 + number)
        old.write_text(f"generation {number}\n")
        os.utime(old, (1000.0 + number,) * 2)
    for name in ("app.log", "syslog.1", "app.log.1", "app.log.bak", "nginx.log.2.gz", "notes.txt"):
        (logs / name).write_text("foreign")
        os.utime(logs / name, (1000.0, 1000.0))
    (logs / stamped("link.log", 1.0)).symlink_to(outside)
    (logs / stamped("folder.log", 1.0)).mkdir()
    os.mkfifo(logs / stamped("pipe.log", 1.0))
    return logs


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_what_is_deleted_is_exactly_what_the_dry_run_listed(crowded: Path, caplog: pytest.LogCaptureFixture):
    policy = Policy(timedelta(days=1), 100, 10**9)
    before = names(crowded)
    with (crowded / stamped("app.log", 1002.0)).open("a"):  # a writer that has not looked at the path yet
        told = clean([Place(crowded, policy)], dry_run=True)
        assert names(crowded) == before
        with caplog.at_level("INFO"):
            done = clean([Place(crowded, policy)])
    listed = {one.path.name for one in told.deleted}
    assert listed == {stamped("app.log", 1000.0 + number) for number in (0, 1, 3, 4)}
    assert {one.path.name for one in done.deleted} == listed
    assert names(crowded) == before - listed
    assert (crowded.parent / "outside.txt").read_text() == "precious"
    assert done.counts() == {"age": 4}
    assert all(name in caplog.text for name in listed)


def test_numbered_files_are_ours_where_supervisord_keeps_the_log(crowded: Path):
    policy = Policy(timedelta(days=1), 100, 10**9, numbered=frozenset({"app.log"}))
    clean([Place(crowded, policy)])
    assert not (crowded / "app.log.1").exists()
    assert {"app.log", "syslog.1", "app.log.bak", "nginx.log.2.gz"} <= names(crowded)


def test_all_but_the_newest_generation_are_packed(tmp_path: Path):
    now = time.time()
    for number, seconds in ((1, 10), (2, 20), (3, 30)):
        path = tmp_path / f"app.log.{number}"
        path.write_text(f"line {number}\n" * 1000)
        os.utime(path, (now - seconds,) * 2)
    done = clean([Place(tmp_path, Policy(WIDE.max_age, 10, 10**9, frozenset({"app.log"})))])
    packed = {stamped("app.log", now - seconds) + ".gz": number for number, seconds in ((2, 20), (3, 30))}
    assert {round(generation_time(name)) for name in names(tmp_path) - {"app.log.1"}} == {
        round(now - 20),
        round(now - 30),
    }
    assert len(done.packed) == len(packed) == 2
    for one in done.packed:
        text = gzip.decompress(one.path.read_bytes()).decode()
        assert text in {"line 2\n" * 1000, "line 3\n" * 1000}
        assert (one.before, one.after) == (len(text), one.path.stat().st_size)
        assert abs(one.path.stat().st_mtime - generation_time(one.path.name)) < 0.01


def generation_time(name: str) -> float:
    found = generation(name, ())
    assert found is not None
    return datetime.strptime(found.mark, STAMP).replace(tzinfo=UTC).timestamp()


def test_a_generation_that_is_still_written_is_not_packed(tmp_path: Path):
    late, newest = (tmp_path / stamped("app.log", at) for at in (1000.0, 2000.0))
    for at, path in ((1000.0, late), (2000.0, newest)):
        path.write_text("x\n")
        os.utime(path, (at, at))
    with late.open("a"):
        assert not clean([Place(tmp_path, Policy(timedelta(days=36500), 10, 10**9))]).packed
    assert clean([Place(tmp_path, Policy(timedelta(days=36500), 10, 10**9))]).packed


def test_what_a_killed_packer_left_goes(tmp_path: Path):
    half = tmp_path / (stamped("app.log", 1000.0) + ".packing")
    half.write_text("half")
    (tmp_path / "my.packing").write_text("foreign")
    clean([Place(tmp_path, WIDE)])
    assert names(tmp_path) == {"my.packing"}


def test_two_do_not_clean_at_once(tmp_path: Path):
    with retention.locked(tmp_path):
        assert clean([Place(tmp_path, WIDE)]).busy == (tmp_path,)
    assert clean([Place(tmp_path, WIDE)]).busy == ()


def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path):
    assert clean([Place(tmp_path / "none", WIDE)]) == upkeep.Cleaned((), (), ())
