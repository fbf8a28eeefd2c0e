"""Patterns, lines, files and names made to hurt: an answer or an error, and nothing else suffers."""

import gzip
import os
import resource
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from watchfleet.logs import match
from watchfleet.logs.errors import LogQueryError, NoSuchLogError
from watchfleet.logs.files import LogRoot
from watchfleet.logs.follow import Follower
from watchfleet.logs.histogram import histogram
from watchfleet.logs.query import Query
from watchfleet.logs.search import search
from watchfleet.logs.source import opened
from watchfleet.logs.tail import last_records

STAMP = "2026-11-25 10:00:00 "
PATTERNS = r"""
(a+)+$
(a|a)*b
(a|aa)+$
^(([a-z])+.)+[A-Z]([a-z])+$
(.*a){20}
(x+x+)+y
(?:a?){50}a{50}
([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@)
(\w*\s*)*;
(?i)(a*)*b
.*.*.*.*.*=.*
[\s\S]*\n\n
((((((((a*)*)*)*)*)*)*)*)b
(^|a|b|)*$
\pL{100}
(.{0,100}){5}!
\C
x{0,1000}
(?s).*
|
\b
""".strip("\n").split("\n")
LONG = """
import resource, sys
from pathlib import Path
from watchfleet.logs.files import LogRoot
from watchfleet.logs.query import Query
from watchfleet.logs.search import search
from watchfleet.logs.tail import last_records
root = LogRoot(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
queries = (
    Query(level="ERROR"), Query(text="needle"), Query(pattern="nee.le"), Query(text="after", context=2),
    Query(text="needle", newest_first=False),
)
found = [len(search(root, query).records) for query in queries]
found.append(len(last_records(root, "a.log", 3)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, *found)
"""


@pytest.mark.parametrize("accelerated", [True, False])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_takes_longer_than_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, accelerated: bool
):
    if not accelerated:
        monkeypatch.setattr(match, "hyperscan", None)
    (tmp_path / "a.log").write_text(
        (STAMP + "INFO " + "a" * 5000 + "\n") * 200 + STAMP + "INFO " + "a" * 300_000
    )
    began = time.process_time()
    with suppress(LogQueryError):
        search(LogRoot(tmp_path), Query(pattern=pattern, limit=5), seconds=1)
    assert time.process_time() - began < 10


def test_a_search_ends_at_its_deadline_and_says_how_far_it_came(tmp_path: Path):
    with (tmp_path / "a.log").open("w") as file:
        for number in range(20_000):
            clock = f"{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
            file.write(f"2026-11-25 {clock} INFO {'x' * 100}\n")
    answer = search(LogRoot(tmp_path), Query(fields={"none": "1"}), seconds=0)
    assert (answer.truncated, answer.records) == ("deadline", ())
    assert 0 < answer.scanned_bytes < 1024 * 1024
    counted = histogram(LogRoot(tmp_path), Query(), seconds=0)
    assert counted.truncated == "deadline"
    assert counted.covered_to is not None


def test_a_line_of_a_hundred_megabytes_costs_no_memory(tmp_path: Path):
    path = tmp_path / "a.log"
    with path.open("wb") as file:
        file.write(f"{STAMP}INFO before\n{STAMP}ERROR long ".encode())
        for _ in range(100):
            file.write(b"x" * 1024 * 1024)
        file.write(f" needle\n{STAMP}ERROR after\n".encode())
    done = subprocess.run(
        [sys.executable, "-c", LONG, str(tmp_path)], capture_output=True, text=True, check=True
    )
    kilobytes, errors, *found = map(int, done.stdout.split())
    assert kilobytes < 64 * 1024
    assert errors >= 2
    assert all(found)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\n" * 20_000,
        b"\0" * 100_000,
        os.urandom(300_000),
        b"\xff\xfe\x00\n\xc3\x28\n",
        "\ufeff2026-11-25 10:00:00 x\n".encode(),
        b"no end",
        b"{" * 100_000,
        b'{"time": ' + b"[" * 50_000,
        b'{"time": 1e999, "level": {"a": 1}}\n' * 10,
        b'{"time": true, "level": null}\n',
        b"\r\n\r\r\n",
        b"9999-99-99 99:99:99 x\n",
        b"2026-11-25 10:00:00" + b"0" * 5000,
        b"1" * 5000,
        b'{"t":{"epochSecond":"x"}}\n',
        b'{"time": "9999-12-31T23:59:59Z", "level": 99999999999999999999}\n',
        b"99999999999999999999 ERROR x\n",
        b'{"time": 12345678901234567890123456789, "level": "\xff"}\n',
    ],
)
def test_any_bytes_are_read(tmp_path: Path, content: bytes):
    (tmp_path / "a.log").write_bytes(content)
    root = LogRoot(tmp_path)
    for query in (
        Query(),
        Query(level="ERROR"),
        Query(text="x"),
        Query(start=0, end=2**60),
        Query(newest_first=False),
    ):
        search(root, query)
    histogram(root, Query())
    last_records(root, "a.log", 5)


@pytest.mark.parametrize("cut", [1, 9, 20, 1000, -1, -8])
def test_a_packed_file_that_is_cut_off_is_read_as_far_as_it_is_whole(tmp_path: Path, cut: int):
    lines = "".join(
        f"2026-11-25 10:00:{n % 60:02d} INFO line {n} {zlib.crc32(b'%d' % n)}\n" for n in range(5000)
    )
    (tmp_path / "a.log.1.gz").write_bytes(gzip.compress(lines.encode())[:cut])
    answer = search(LogRoot(tmp_path), Query(newest_first=False))
    assert len(answer.notes) == 1
    assert answer.notes[0].startswith("a.log.1.gz: it ")
    if cut == 1000:
        assert answer.records[0].text.endswith(f"line 0 {zlib.crc32(b'0')}")


@pytest.mark.parametrize(
    "content", [b"no gzip at all", b"\x1f\x8b", b"", gzip.compress(b"x", mtime=0)[:-4] + b"\0\0\0\0\0"]
)
def test_what_is_not_gzip_is_a_note(tmp_path: Path, content: bytes):
    (tmp_path / "a.gz").write_bytes(content)
    assert len(search(LogRoot(tmp_path), Query()).notes) == (1 if content else 0)


def test_several_members_are_one_file(tmp_path: Path):
    rows = [f"{STAMP}INFO {n} {os.urandom(100).hex()}\n".encode() * 100 for n in range(5)]
    (tmp_path / "a.gz").write_bytes(b"".join(map(gzip.compress, rows)) + b"\0" * 512)
    answer = search(LogRoot(tmp_path), Query(limit=1000))
    assert (len(answer.records), answer.notes) == (500, ())


def test_a_file_that_is_cut_or_deleted_while_it_is_read_ends_there(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text(f"{STAMP}INFO x\n" * 100_000)
    root = LogRoot(tmp_path)
    (file,) = root.files()
    with opened(root, file) as source:
        assert source.fill(0, source.size) > 0
        os.truncate(path, 10)
        assert source.fill(1_000_000, source.size) == 0
        assert source.read(0, 100) == b"2026-11-25"
        assert source.line_end(500_000) >= 500_000
    path.unlink()
    with pytest.raises(NoSuchLogError), opened(root, file):
        pass


def test_a_file_that_became_a_link_is_not_opened(tmp_path: Path):
    (tmp_path / "secret").write_text("secret\n")
    logs = tmp_path / "logs"
    (logs / "sub").mkdir(parents=True)
    for name in ("a.log", "sub/b.log"):
        (logs / name).write_text("x\n")
    root = LogRoot(logs)
    direct, below = root.files()
    (logs / "a.log").unlink()
    (logs / "a.log").symlink_to(tmp_path / "secret")
    (logs / "sub").rename(tmp_path / "elsewhere")
    (logs / "sub").symlink_to(tmp_path / "elsewhere")
    for file in (direct, below):
        with pytest.raises(NoSuchLogError):
            root.open(file)


def test_a_follower_outlives_whatever_happens_to_its_file(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("one\n")
    follower = Follower(LogRoot(tmp_path), "a.log")
    path.unlink()
    assert list(follower.poll()) == []
    path.symlink_to("/etc/passwd")
    assert list(follower.poll()) == []
    path.unlink()
    path.write_text("two\n")
    assert [record.text for _, record in follower.poll()] == ["two"]
    follower.close()


def test_too_many_files_for_the_descriptors_that_there_are_is_told(tmp_path: Path):
    for number in range(300):
        (tmp_path / f"{number}.log").write_text(f"2026-11-25 10:{number % 60:02d}:00 INFO {number}\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with pytest.raises(LogQueryError, match="too many files are open; name fewer"):
            search(LogRoot(tmp_path), Query(limit=1000))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(search(LogRoot(tmp_path), Query(limit=1000)).records) == 300
