"""The time and the level of a line, in the formats of many systems."""

import csv
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.servers import ROOT

from watchfleet.logs.levels import level_of
from watchfleet.logs.recognise import Log, recognise

SAMPLES = ROOT.parent / "shared" / "conformance" / "logs"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()

FORMATS = Path(__file__).with_name("formats.txt")


def cases() -> dict[str, list[list[str]]]:
    """Of each system: the time without its zone, the level as it is written, and the line."""
    blocks = f"\n{FORMATS.read_text()}".split("\n== ")[1:]
    return {
        name: [line.split(" ¦ ", 2) for line in lines.splitlines()]
        for name, _, lines in (block.partition("\n") for block in blocks)
    }


def read(lines: list[bytes], log: Log) -> tuple[list[str], list[str]]:
    heads = [log.head(line) for line in lines]
    times = ["continues" if head is None else iso(head.time) for head in heads]
    return times, [(head.level_raw if head else None) or "none" for head in heads]


def iso(time: int | None) -> str:
    if time is None:
        return "none"
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
    return at.isoformat().removesuffix("+00:00")


@pytest.mark.parametrize("rows", cases().values(), ids=list(cases()))
def test_time_and_level_are_where_the_format_has_them(rows: list[list[str]]):
    lines = [line.encode() for _, _, line in rows]
    assert read(lines, recognise(lines, NOW)) == ([row[0] for row in rows], [row[1] for row in rows])


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples of other systems are not here")
def test_samples_of_other_systems_are_read_without_a_fault():
    truth = defaultdict(list)
    with (SAMPLES / "truth.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            truth[row["system"]].append((row["time_iso_or_partial"].rstrip("Z"), row["level_raw"]))
    for system, expected in truth.items():
        lines = [line.rstrip(b"\r") for line in (SAMPLES / f"{system}_2k.log").read_bytes().split(b"\n")]
        log = recognise(lines[:200], NOW)
        for number, (line, (time, level)) in enumerate(zip(lines, expected, strict=False)):
            head = log.head(line)
            assert head is not None, (system, number)
            assert iso(head.time).endswith(time), (system, number)
            assert (head.level_raw or "") == level, (system, number)


def test_a_time_without_a_year_is_the_last_such_one_before_the_file_s_last_change():
    january = datetime(2027, 1, 2, tzinfo=UTC).timestamp()
    lines = [b"Dec 31 23:59:59 host x[1]: y", b"Jan  1 00:00:00 host x[1]: y", b"Feb 29 00:00:00 host x: y"]
    assert read(lines, recognise(lines, january))[0] == [
        "2026-12-31T23:59:59", "2027-01-01T00:00:00", "2024-02-29T00:00:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "level"),
    [
        *((number, name) for number, name in enumerate(("CRITICAL",) * 3 + ("ERROR", "WARNING", "NOTICE"))),
        (6, "INFO"), (7, "DEBUG"), (30, "INFO"), (35, "INFO"), (50, "ERROR"), (60, "CRITICAL"),
        (100, "DEBUG"), (250, "NOTICE"), (400, "ERROR"), (550, "CRITICAL"), (5000, "TRACE"), (40000, "ERROR"),
        (b"165", "NOTICE"), (b"4", "WARNING"), ("SUCCESS", "INFO"), ("System", "INFO"),
        ("Fatal error", "CRITICAL"),
        ("D1", "DEBUG"), ("DEBUG-4", "DEBUG"), ("INFO+2", "INFO"), ("*", "NOTICE"), ("F", "CRITICAL"),
        (-4, None), (999999, None), ("17+", None), ("12 monkeys", None), ("", None),
    ],
)  # fmt: skip
def test_numbers_and_words_have_one_scale(written: str | bytes | int, level: str | None):
    assert level_of(written) == level


def test_a_duration_called_time_is_no_time():
    lines = [b'{"time": 0.125, "timestamp": "2026-11-25T12:00:00Z", "level": "30", "msg": "m"}'] * 2
    log = recognise(lines, NOW)
    assert read(lines, log)[0] == ["2026-11-25T12:00:00"] * 2
    head = log.head(lines[0])
    assert head is not None
    assert head.level == "INFO"


def test_impossible_times_are_none():
    lines = [b"2026-02-30 12:00:00 x", b"2026-13-01 12:00:00 x", b"2026-01-01 25:61:00 x"]
    log = recognise(lines, NOW)
    assert not log.timed
