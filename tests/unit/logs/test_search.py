import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watchfleet.logs import match
from watchfleet.logs.errors import LogQueryError, NoSuchLogError
from watchfleet.logs.files import LogRoot
from watchfleet.logs.query import Answer, Cursor, Query
from watchfleet.logs.search import count, search
from watchfleet.logs.when import iso, read_when

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def at(minute: int) -> int:
    return int(datetime(2026, 11, 25, 10, minute, tzinfo=UTC).timestamp() * 1_000_000)


def line(minute: int, text: str, level: str = "INFO") -> str:
    return f"2026-11-25 10:{minute:02d}:00,000 {level} app.shop: {text}\n"


def texts(answer: Answer) -> list[str]:
    return [record.text.partition(": ")[2] for record in answer.records]


@pytest.fixture
def root(tmp_path: Path) -> LogRoot:
    (tmp_path / "web.log").write_text(
        line(30, "web new") + line(40, "web newest", "ERROR") + "Traceback x\n  boom\n"
    )
    (tmp_path / "web.log.1").write_text(line(10, "web old", "WARN") + line(20, "web middle"))
    (tmp_path / "api.log.1.gz").write_bytes(
        gzip.compress((line(5, "api old", "ERROR") + line(25, "api gz")).encode())
    )
    json_line = {
        "time": "2026-11-25T10:35:00Z",
        "level": "warning",
        "logger": "a.b",
        "message": "json",
        "correlation_id": "c-1",
    }
    json_line |= {"account": 7, "deep": {"on": True}}
    (tmp_path / "json.log").write_text(json.dumps(json_line) + "\n")
    return LogRoot(tmp_path)


def test_files_are_merged_by_time_and_a_traceback_belongs_to_its_record(root: LogRoot):
    answer = search(root, Query())
    assert [record.file for record in answer.records] == [
        "web.log", "json.log", "web.log", "api.log.1.gz", "web.log.1", "web.log.1", "api.log.1.gz",
    ]  # fmt: skip
    assert answer.records[0].text.endswith("web newest\nTraceback x\n  boom")
    assert texts(search(root, Query(newest_first=False)))[::-1] == texts(answer)
    assert (answer.truncated, answer.cursor) == (None, None)
    assert (iso(answer.covered_from), iso(answer.covered_to)) == (
        "2026-11-25T10:05:00.000000Z",
        "2026-11-25T10:40:00.000000Z",
    )
    assert answer.scanned_bytes > 0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"level": "ERROR"}, ["web newest\nTraceback x\n  boom", "api old"]),
        ({"level": "warn", "files": ("web*",)}, ["web newest\nTraceback x\n  boom", "web old"]),
        ({"text": "boom"}, ["web newest\nTraceback x\n  boom"]),
        (
            {"text": "WEB", "ignore_case": True, "level": "warning"},
            ["web newest\nTraceback x\n  boom", "web old"],
        ),
        ({"pattern": r"web \w+e\b", "files": ("web.log*",)}, ["web middle"]),
        ({"pattern": "^  boom$"}, ["web newest\nTraceback x\n  boom"]),
        ({"start": at(10), "end": at(30), "files": ("web.log*",)}, ["web middle", "web old"]),
        ({"files": ("api.log.1.gz",)}, ["api gz", "api old"]),
        ({"logger": "app.shop", "text": "old"}, ["web old", "api old"]),
        ({"text": "nothing"}, []),
    ],
)
def test_what_is_asked_for_is_found(root: LogRoot, query: dict[str, object], expected: list[str]):
    for module in (match.hyperscan, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(match, "hyperscan", module)
            assert texts(search(root, Query(**query))) == expected


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"correlation_id": "c-1"}, True),
        ({"correlation_id": "c-"}, False),
        ({"logger": "a"}, True),
        ({"logger": "a.b.c"}, False),
        ({"fields": {"account": "7"}}, True),
        ({"fields": {"account": "70"}}, False),
        ({"fields": {"deep.on": "true", "account": "7.0"}}, True),
        ({"fields": {"none": "None"}}, False),
        ({"level": "notice", "text": "json"}, True),
    ],
)
def test_json_records_are_known_by_their_fields(root: LogRoot, query: dict[str, object], found: bool):
    (*records,) = search(root, Query(**{"files": ("json.log",), **query})).records
    assert bool(records) is found
    if found:
        assert (records[0].level, records[0].logger, records[0].message) == ("WARNING", "a.b", "json")
        assert (records[0].correlation_id, records[0].level_raw) == ("c-1", "warning")


def test_context_is_the_lines_around(root: LogRoot):
    (record,) = search(root, Query(text="web newest", context=3)).records
    assert [one.partition(": ")[2] for one in record.before] == ["web new"]
    (record,) = search(
        root, Query(text="web new", files=("web.log",), context=1, level="info", end=at(31))
    ).records
    assert [one.partition(": ")[2] for one in record.after] == ["web newest"]


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_cursor_goes_on_where_an_answer_ended_also_after_a_rotation(root: LogRoot, newest_first: bool):
    whole = texts(search(root, Query(newest_first=newest_first)))
    found, cursor, pages = [], None, 0
    while True:
        answer = search(root, Query(newest_first=newest_first, limit=2, cursor=cursor))
        found += texts(answer)
        pages += 1
        if answer.cursor is None:
            break
        assert answer.truncated == "limit"
        assert None not in {answer.covered_from, answer.covered_to}
        cursor = Cursor.decode(answer.cursor.encode())
        if pages == 1:
            (root.path / "web.log").rename(root.path / "web.log.20261125T104500.000000Z")
            (root.path / "web.log").write_text("")
    assert found == whole
    assert pages == 4


def test_a_limit_that_is_just_enough_is_no_truncation(root: LogRoot):
    assert search(root, Query(limit=7)).truncated is None
    truncated = search(root, Query(limit=2))
    assert (truncated.truncated, iso(truncated.covered_from)) == ("limit", "2026-11-25T10:35:00.000000Z")


def test_lines_over_many_blocks_are_found_in_either_direction(tmp_path: Path):
    rows = []
    for number in range(10_000):
        clock = f"10:{number // 1000:02d}:{number // 17 % 60:02d}.{number % 1000:03d}"
        level = "ERROR" if number % 97 == 0 else "INFO"
        rows.append(f"2026-11-25 {clock} {level} x {number} {'y' * (number % 300)}")
    rows.sort()
    (tmp_path / "a.log").write_text("\n".join(rows) + "\n")
    root, wanted = LogRoot(tmp_path), [row for row in rows if " ERROR " in row]
    newest = search(root, Query(level="error", limit=1000))
    assert [record.text for record in newest.records] == wanted[::-1]
    assert [
        record.text for record in search(root, Query(level="error", limit=1000, newest_first=False)).records
    ] == wanted
    window = search(root, Query(start=at(3), end=at(4), text="ERROR", limit=1000))
    assert [record.text for record in window.records] == [row for row in wanted if row[14:16] == "03"][::-1]
    assert window.scanned_bytes < (tmp_path / "a.log").stat().st_size / 3
    assert count(root, Query(text=" ERROR "))[0] == count(root, Query(pattern=" E[R]+OR "))[0] == len(wanted)


def test_a_log_out_of_order_is_searched_as_a_whole(tmp_path: Path):
    minutes = [50, 10, 40, 20, 30] * 400
    (tmp_path / "a.log").write_text(
        "".join(line(minute, f"n{number}") for number, minute in enumerate(minutes))
    )
    found = search(LogRoot(tmp_path), Query(start=at(20), end=at(21), limit=1000)).records
    assert len(found) == 400


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"pattern": "("}, "pattern: RE2 does not take it: missing )"),
        ({"pattern": "(?<=a)b"}, "RE2 does not take it"),
        ({"pattern": r"(a)\1"}, "RE2 does not take it"),
        ({"pattern": "a{1001}"}, "RE2 does not take it"),
        ({"pattern": "a." * 2500}, "5000 characters"),
        ({"pattern": "a", "text": "b"}, "not both"),
        ({"text": "a\nb"}, "must not hold a line end"),
        ({"level": "loud"}, "'loud' is none of TRACE"),
        ({"limit": 0}, "0 is not between"),
        ({"limit": 10**6}, "is not between"),
        ({"context": 1000}, "is not between"),
        ({"start": 2, "end": 1}, "it is after"),
    ],
)
def test_a_question_that_is_no_use_says_why(root: LogRoot, query: dict[str, object], message: str):
    with pytest.raises(LogQueryError) as refused:
        search(root, Query(**query))
    assert message in str(refused.value)


@pytest.mark.parametrize("text", ["", "x", "!!!", "W10", "WzEsMiwzXQ", "A" * 100_000])
def test_a_cursor_that_is_none_is_refused(text: str):
    with pytest.raises(LogQueryError, match="cursor"):
        Cursor.decode(text)


def test_a_log_that_is_not_there_is_told(root: LogRoot):
    with pytest.raises(NoSuchLogError, match="no log is named 'none'"):
        search(root, Query(files=("none",)))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-11-25T10:30:00Z", "2026-11-25T10:30:00"),
        ("2026-11-25T11:30:00.5+01:00", "2026-11-25T10:30:00.500000"),
        ("2026-11-25 10:30", "2026-11-25T10:30:00"),
        ("2026-11-25 10:30:00,123", "2026-11-25T10:30:00.123000"),
        ("2026-11-25", "2026-11-25T00:00:00"),
        ("25/Nov/2026:10:30:00 +0000", "2026-11-25T10:30:00"),
        ("Nov 25 10:30:00", "2026-11-25T10:30:00"),
        ("1795602600", "2026-11-25T10:30:00"),
        ("1795602600.25", "2026-11-25T10:30:00.250000"),
        ("1795602600123", "2026-11-25T10:30:00.123000"),
        ("now", "2026-11-25T12:00:00"),
        ("today", "2026-11-25T00:00:00"),
        ("yesterday", "2026-11-24T00:00:00"),
        ("90m", "2026-11-25T10:30:00"),
        ("-90m", "2026-11-25T10:30:00"),
        ("1h30m ago", "2026-11-25T10:30:00"),
        ("2 d ago", "2026-11-23T12:00:00"),
        ("10:30:00", "2026-11-25T10:30:00"),
    ],
)
def test_a_time_is_understood_in_any_common_form(given: str, expected: str):
    assert (iso(read_when("from", given, NOW)) or "").removesuffix("Z").removesuffix(".000000") == expected


@pytest.mark.parametrize(
    "given", ["", "soon", "2026-13-01", "2026-02-30T00:00:00Z", "-", "99999999999999999999", "x" * 1000]
)
def test_a_time_that_is_none_says_how_to_write_it(given: str):
    with pytest.raises(LogQueryError, match="is no time; write it like"):
        read_when("from", given, NOW)
