"""Every status that a target was of: in the store, in the terminal, in the API and on the status page."""

import base64
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPICursor
from support.servers import use_environment
from support.web_server import WebServer, serving

from tasks.upkeep import prune_history
from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.model import ProbeResult, Status
from watchfleet.probes import history, places, rounds
from watchfleet.probes.dispatch import dispatch, sync
from watchfleet.probes.history import Interval
from watchfleet.probes.record import Found, record
from watchfleet.probes.recorder import Recorder
from watchfleet.probes.targets import get_targets
from watchfleet.probes.uptime import DAY, uptime
from watchfleet.web import board
from watchfleet.web.app import create_app
from watchfleet.web.health import health
from watchfleet.web.status import status

NOW = utcnow().replace(microsecond=0)
START = NOW - timedelta(hours=10)
SECRET = "s3cret-token-of-the-api"
HEADERS = {"Authorization": f"Bearer {SECRET}"}
LETTERS = {"u": Status.UP, "d": Status.DOWN, "s": Status.DEGRADED}


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def _configured(environment: pytest.MonkeyPatch, web: WebServer, tmp_path: Path) -> None:
    """Two public targets, one of them in a group, and one that is nobody's business."""
    configuration = tmp_path / "watchfleet.yml"
    shop = {"name": "shop", "kind": "http", "url": web.url("/status/200"), "interval": "1m", "public": True}
    shop["sla"] = 90
    search = {**shop, "name": "search: beta", "groups": ["frontend"], "retry_interval": "5s"}
    internal = {**shop, "name": "ledger", "groups": ["frontend"], "public": False}
    answer = base64.urlsafe_b64encode(b'{"state": "out of memory\x1b", "password": "hunter2hunter2"}')
    broken = {
        **internal,
        "name": "broken",
        "groups": [],
        "url": web.url(f"/json/{answer.decode()}"),
        "expected_text": "yes",
    }
    configuration.write_text(json.dumps({"targets": [shop, search, internal, broken]}))
    use_environment(environment, WATCHFLEET_CONFIG=str(configuration), API_TOKEN=SECRET)
    with transaction() as connection:
        sync(connection, get_targets(), START)


def check(name: str, at: datetime, status: Status, answer: str = "") -> None:
    reason = "" if status is Status.UP else "unexpected_status"
    result = ProbeResult(name, status, reason, 0.1, at, f"was {status}", answer=answer)
    with transaction() as connection:
        record(connection, f"{name}:{at}", [Found(get_targets().by_name[name], result)], NOW)


def course(name: str, checks: str, start: datetime = START) -> None:
    """Checks a minute apart, a letter each; a blank is a check that was not made."""
    for place, letter in enumerate(checks):
        if letter != " ":
            check(name, start + timedelta(minutes=place), LETTERS[letter])


def told(name: str) -> list[tuple[str, float, float, str]]:
    """Status, begin and end in minutes, and reason."""
    with transaction() as connection:
        found = history.intervals(connection, START - timedelta(days=1), NOW, [name])
    return [
        (str(one.status), minutes(one.start), minutes(one.end), one.reason) for one in found.get(name, [])
    ]


def minutes(at: datetime) -> float:
    return (at - START).total_seconds() / 60


def test_every_change_of_status_is_a_row_with_its_end() -> None:
    course("shop", "uuddsu")
    assert told("shop") == [
        ("up", 0, 2, ""),
        ("down", 2, 4, "unexpected_status"),
        ("degraded", 4, 5, "unexpected_status"),
        ("up", 5, 8, ""),  # a check speaks for three intervals
    ]


def test_a_time_in_which_nobody_looked_is_unknown() -> None:
    course("shop", "uu      d")
    assert told("shop") == [
        ("up", 0, 2, ""),
        ("unknown", 2, 8, "not_checked"),
        ("down", 8, 11, "unexpected_status"),
    ]


def test_what_has_not_ended_is_read_before_all_else(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(history, "MOST", 4)
    check("ledger", START, Status.UP)
    course("shop", "ududud", START + timedelta(minutes=1))
    with transaction() as connection:
        found = history.intervals(connection, START, START + timedelta(minutes=7), ["shop", "ledger"])
    assert [one.is_open for one in found["ledger"]] == [True]
    assert [one.is_open for one in found["shop"]] == [False, False, True]


def was(name: str, spans: list[tuple[datetime, datetime, str]]) -> None:
    """Put statuses into the history: from when, until when, what."""
    query = text(
        "INSERT INTO probe_status (target, started_at, ended_at, status)"
        " VALUES (:name, :start, :end, :status)"
    )
    with transaction() as connection:
        connection.execute(
            query, [{"name": name, "start": one, "end": end, "status": state} for one, end, state in spans]
        )


def test_the_store_adds_up_days_as_one_would_by_hand() -> None:
    """Statuses that began before the first day, change in a day, end at midnight, last a day and go on."""
    first = NOW.replace(hour=0, minute=0, second=0) - 3 * DAY
    ends = [first + timedelta(hours=hours) for hours in (-48, 3, 23.5, 48, 71.9)]
    was("shop", list(zip(ends, ends[1:], ["down", "up", "degraded", "down"], strict=False)))
    course("search: beta", "uudu", NOW - timedelta(minutes=3))
    names = ["shop", "search: beta", "ledger"]
    with transaction() as connection:
        found = history.daily(connection, first, 4, NOW, names)
        known = history.intervals(connection, first, NOW, names)
    days = [first + place * DAY for place in range(4)]
    for name in names:
        expected = [uptime(known.get(name, ()), day, day + DAY).seconds for day in days]
        assert [one.seconds for one in found[name]] == [pytest.approx(seconds) for seconds in expected]
    assert [one.worst for one in found["shop"]] == [Status.DOWN, Status.DEGRADED, Status.DOWN, None]
    assert sum(one.seconds[Status.UP] for one in found["search: beta"]) == 120


def test_what_the_status_page_reads_does_not_grow_with_changes_of_status() -> None:
    ends = [NOW - timedelta(minutes=number) for number in range(2 * 1440 + 1)]
    was("shop", list(zip(ends[1:], ends, ["down", "up"] * 1440, strict=False)))
    reader, rows = board.Reader(), list[int]()

    def counted(_connection: object, cursor: DBAPICursor, *_: object) -> None:
        rows.append(max(0, cursor.rowcount))

    event.listen(get_engine(), "after_cursor_execute", counted)
    try:
        shown = reader.read()
        first = sum(rows)
        again = reader.read()
    finally:
        event.remove(get_engine(), "after_cursor_execute", counted)
    assert shown.line("shop").whole.ratio == pytest.approx(0.5)
    assert [one.start for one in shown.incidents[:2]] == [NOW - timedelta(minutes=m) for m in (1, 3)]
    assert first <= board.MOST_INCIDENTS + 2 * 3
    assert sum(rows) - first <= board.MOST_INCIDENTS + 2, "days that are over are not read again"
    assert again.line("shop").days[:-1] == shown.line("shop").days[:-1]


def test_a_target_that_is_configured_no_more_keeps_its_history() -> None:
    course("shop", "ud")
    with transaction() as connection:
        others = [one for one in get_targets() if one.name != "shop"]
        sync(connection, others, START + timedelta(minutes=2))
    assert told("shop") == [("up", 0, 1, ""), ("down", 1, 2, "unexpected_status")]


def test_old_rows_are_deleted_and_open_ones_are_not(environment: pytest.MonkeyPatch) -> None:
    course("shop", "udu")
    use_environment(environment, RETENTION_PROBE_HISTORY="1h")
    assert prune_history()["probe_statuses"] == 2
    with transaction() as connection:
        assert connection.execute(text("SELECT status, ended_at FROM probe_status")).all() == [("up", None)]


def test_what_a_place_was_answered_is_kept_too() -> None:
    shop = replace(get_targets().by_name["shop"], locations=("eu", "us"))
    down = ProbeResult("shop", Status.DOWN, "unexpected_status", 0.1, NOW, "was down")
    with transaction() as connection:
        assert places.report(connection, [(shop, replace(down, answer="out of memory"), "eu")]) == []
        ((_, together),) = places.report(connection, [(shop, down, "us")])
    assert together.answer == "out of memory"


def test_a_failed_check_keeps_what_was_answered_without_its_secrets() -> None:
    rounds.probe([get_targets().by_name["broken"]], "slot", Recorder(transaction, lambda _: None)).result(10)
    with transaction() as connection:
        (one,) = history.intervals(connection, NOW - timedelta(hours=1), utcnow(), ["broken"])["broken"]
    assert (one.status, one.reason) == (Status.DOWN, "body_mismatch")
    assert one.answer == '{"state": "out of memory\ufffd", "password": "***"}'


def claimed(at: datetime) -> list[str]:
    """Which of two targets are due at an instant."""
    with transaction() as connection:
        batches = dispatch(connection, get_targets(), at).batches
    return sorted({name for batch in batches for name in batch.names} & {"shop", "search: beta"})


def due_at(name: str) -> datetime:
    with transaction() as connection:
        query = text("SELECT due_at FROM probe_target WHERE name = :name")
        return connection.execute(query, {"name": name}).scalar_one()


def test_a_failure_is_looked_at_again_sooner_until_it_is_decided() -> None:
    at = due_at("search: beta")
    claimed(at + timedelta(seconds=59))  # both: their next times are in the next minute
    on_grid = due_at("search: beta")
    for name in ("shop", "search: beta"):
        check(name, on_grid - timedelta(seconds=50), Status.DOWN)
    assert claimed(on_grid - timedelta(seconds=46)) == []
    assert claimed(on_grid - timedelta(seconds=45)) == ["search: beta"]
    assert due_at("search: beta") == on_grid
    check("search: beta", on_grid - timedelta(seconds=45), Status.DOWN)  # the second: that is decided
    assert claimed(on_grid - timedelta(seconds=20)) in ([], ["shop"])


def test_the_history_in_the_terminal() -> None:
    start = utcnow() - timedelta(minutes=10)
    course("shop", "uuuuuuuud", start)
    result = CliRunner().invoke(cli, ["probes", "history", "shop"])
    assert result.exit_code == 0
    assert re.search(r"uptime: (80|79\.\d+|7\d\.\d+) % of 24h, .* of 30d", result.output)
    assert "unexpected_status" in result.output
    assert re.search(r"90 % of 30d promised: broken, .* of downtime too much", result.output)
    found = json.loads(CliRunner().invoke(cli, ["probes", "history", "shop", "--json"]).output)
    assert [one["status"] for one in found["history"]] == ["down", "up"]
    assert found["history"][1]["seconds"] == 480
    assert (found["sla"]["promised"], found["sla"]["kept"]) == (90, False)
    assert found["sla"]["downtime_left_seconds"] == pytest.approx(60 - 120, abs=30)
    assert found["uptime"]["24h"]["seconds"]["down"] == pytest.approx(120, abs=30)


def test_a_name_that_is_not_known_is_corrected() -> None:
    course("shop", "u")
    result = CliRunner().invoke(cli, ["probes", "history", "shpo"])
    assert result.exit_code != 0
    assert "shop" in str(result.exception)


def test_the_history_in_the_api() -> None:
    course("shop", "uudu", utcnow() - timedelta(minutes=3))
    client = create_app().test_client()
    assert client.get("/api/probes").status_code == 401
    everything = client.get("/api/probes", headers=HEADERS).json["targets"]
    assert {one["name"] for one in everything} >= {"shop", "ledger", "postgres"}
    shop = client.get("/api/probes/shop", headers=HEADERS).json
    assert (shop["status"], [one["status"] for one in shop["history"]]) == ("up", ["up", "down", "up"])
    assert shop["sla"]["kept"] is False
    assert shop["uptime"]["7d"]["ratio"] == pytest.approx(2 / 3, abs=0.1)
    assert client.get("/api/probes/nothing", headers=HEADERS).status_code == 404
    lines = client.get("/api/probes?format=csv", headers=HEADERS).text.splitlines()
    assert "uptime_24h" in lines[0]
    assert "sla_kept" in lines[0]


@pytest.fixture
def public() -> FlaskClient:
    """Somebody without a token, at an application of the user's own that has our blueprints."""
    app = Flask("a user's own")
    app.register_blueprint(health)
    app.register_blueprint(status)
    return app.test_client()


def test_everybody_sees_the_public_targets_and_nothing_else(public: FlaskClient) -> None:
    for name in ("shop", "search: beta", "ledger"):
        course(name, "uuddu", utcnow() - timedelta(minutes=4))
    page = public.get("/status")
    assert page.status_code == 200
    assert "shop" in page.text
    assert "search: beta" in page.text
    assert "Everything works" in page.text
    assert page.text.count('href="/status/feed.xml"') == 2
    assert page.text.count("<li class=") == 2 * board.DAYS
    assert re.search(r"<span>[^<]*: down, 5\d[^<]*%</span>", page.text), "not told by colour alone"
    assert page.text.count("shop down") == 1
    for hidden in ("ledger", "was down", "127.0.0.1"):
        assert hidden not in page.text
    assert public.get("/badge/ledger.svg").status_code == 404
    drawn = ET.fromstring(public.get("/badge/search: beta.svg").text)
    assert drawn.attrib["aria-label"] == "search: beta: up"
    uptime = public.get("/badge/shop.svg?show=uptime")
    assert uptime.mimetype == "image/svg+xml"
    assert re.search(r"shop: 5\d(\.\d+)? %", uptime.text)
    root = ET.fromstring(public.get("/status/feed.xml").data)
    items = [(item.findtext("title"), item.findtext("guid")) for item in root.iter("item")]
    assert sorted(title for title, _ in items) == ["search: beta was down", "shop was down"]
    assert len({guid for _, guid in items}) == 2


def test_what_is_down_is_said_first(public: FlaskClient) -> None:
    course("shop", "ud", utcnow() - timedelta(minutes=1))
    page = public.get("/status").text
    assert "Something is down" in page
    assert "shop down" in page
    assert "is down" in ET.fromstring(public.get("/status/feed.xml").data).findtext("channel/item/title", "")


def test_however_many_ask_the_store_is_asked_once(
    public: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    intervals = history.intervals

    def counted(*given: object) -> dict[str, list[Interval]]:
        reads.append(1)
        return intervals(*given)  # type: ignore[arg-type]  # what was given

    monkeypatch.setattr(history, "intervals", counted)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda _: public.application.test_client().get("/status").status_code, range(80))
        assert set(answers) == {200}
    assert len(reads) <= 2


def test_a_group_is_as_well_as_its_worst_member(public: FlaskClient) -> None:
    cache = {"search: beta": Status.UP, "ledger": Status.UP}

    def ask() -> tuple[int, str]:
        by_name = get_targets().by_name
        for name, one in cache.items():
            result = ProbeResult(name, one, "" if one is Status.UP else "timeout", 0.1, utcnow())
            rounds.show([Found(by_name[name], result)])
        app = Flask("another")
        app.register_blueprint(health)
        answer = app.test_client().get("/health/frontend", headers=HEADERS)
        return answer.status_code, " ".join(sorted(answer.json["checks"]))

    assert ask() == (200, "ledger:responseTime search: beta:responseTime")
    cache["ledger"] = Status.DOWN
    assert ask()[0] == 503
    assert public.get("/health/nothing").status_code == 404
