"""Alerts that applications raise, and what they did under an id: from the host into the store."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from sqlalchemy import Connection, Engine, text
from support.policies import policy_for

import watchfleet
from watchfleet import correlation, wire
from watchfleet.cli.trace import trace
from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine
from watchfleet.errors import ConfigError, WatchfleetError
from watchfleet.instrument import activity
from watchfleet.instrument.client import Client
from watchfleet.instrument.faults import faults
from watchfleet.instrument.lifetime import lifetime
from watchfleet.metrics import ingest
from watchfleet.rules.raised import evaluate_raised

EVERYONE = policy_for(["log"])


@pytest.fixture
def engine(environment: pytest.MonkeyPatch) -> Engine:
    return get_engine()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    def no_broker() -> Any:
        raise ConfigError("the test takes the rows")

    own = Client("shop", no_broker, flush_interval=3600)
    monkeypatch.setattr(lifetime, "client", own)
    monkeypatch.setattr(activity, "_budget", activity._Budget())  # others recorded in this very second
    monkeypatch.setattr(Client, "hurry", lambda _: None)
    yield own
    assert own.close(5)


@pytest.fixture
def ship(engine: Engine, client: Client) -> Callable[[], ingest.Written]:
    """Brings what was recorded into the store, as a batch."""
    numbers = iter(range(1000))

    def ship() -> ingest.Written:
        with engine.begin() as connection:
            batch = wire.pack(*client.buffer.cut(1000))
            return ingest.write(connection, f"batch-{next(numbers)}", batch, utcnow())

    return ship


def fetch(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


def test_a_raised_alert_fires_is_told_and_ends_when_it_is_taken_back(
    engine: Engine, ship: Callable[[], ingest.Written]
) -> None:
    labels = {"platform": "instagram"}
    with correlation.bound("order-1"):
        assert watchfleet.alert("LoginWall", severity="critical", labels=labels, summary="All is lost")
        assert watchfleet.alert("LoginWall", severity="critical", labels=labels, summary="All is lost")
    assert ship().rejected == 0
    with engine.begin() as connection:
        (fired,) = evaluate_raised(connection, EVERYONE, utcnow()).transitions
        assert fired.alert.labels == {
            "alertname": "LoginWall",
            "severity": "critical",
            "service": "shop",
            "platform": "instagram",
        }
        assert fired.alert.annotations == {"summary": "All is lost", "correlation_id": "order-1"}
        assert evaluate_raised(connection, EVERYONE, utcnow()).transitions == ()
    watchfleet.alert("LoginWall", severity="critical", labels=labels, resolved=True)
    ship()
    with engine.begin() as connection:
        (over,) = evaluate_raised(connection, EVERYONE, utcnow() + timedelta(seconds=1)).transitions
        assert over.after == "resolved"


def test_an_alert_ends_by_itself_when_it_was_not_raised_again(
    engine: Engine, ship: Callable[[], ingest.Written]
) -> None:
    watchfleet.alert("Slow", lasts="10m")
    ship()
    now = utcnow()
    with engine.begin() as connection:
        assert [change.after for change in evaluate_raised(connection, EVERYONE, now).transitions] == [
            "firing"
        ]
        later = now + timedelta(minutes=11)
        assert [change.after for change in evaluate_raised(connection, EVERYONE, later).transitions] == [
            "resolved"
        ]


def test_a_trace_shows_what_happened_in_order(
    engine: Engine, ship: Callable[[], ingest.Written], capsys: pytest.CaptureFixture[str]
) -> None:
    with correlation.bound("order-2"):
        activity.record("request", "POST /pay", 0.25, status=202)
        activity.record("query", "SELECT", 0.75, statement="SELECT \x1b[31m FROM t")
        watchfleet.alert("Slow", severity="critical")
        activity.record("task", "shop.pay", 1.5, id="abc", state="FAILURE", error="LookupError")
    with correlation.bound("another"):
        activity.record("task", "other", 1.0)
    ship()
    with engine.begin() as connection:
        evaluate_raised(connection, EVERYONE, utcnow())
    trace.main(["order-2", "--json"], standalone_mode=False)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["kind"], line["what"]) for line in lines] == [
        ("request", "POST /pay"),
        ("query", "SELECT"),
        ("task", "shop.pay"),
        ("alert", "Slow"),
        ("notification", "log"),
    ]
    assert lines[2]["fields"] == {"id": "abc", "state": "FAILURE", "error": "LookupError"}
    trace.main(["order-2"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "1500.0 ms" in shown
    assert "other" not in shown
    assert "\x1b" not in shown
    with pytest.raises(WatchfleetError, match="nothing is known of the correlation id nobody"):
        trace.main(["nobody"], standalone_mode=False)
    with pytest.raises(click.BadParameter, match="an id is 1 to 128"):
        trace.main(["no good"], standalone_mode=False)


def test_log_lines_are_among_what_happened(
    engine: Engine,
    ship: Callable[[], ingest.Written],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = utcnow()

    def line(seconds: int, message: str, known: str = "order-3") -> str:
        time = (now + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
        fields = {
            "time": time,
            "level": "ERROR",
            "logger": "shop",
            "message": message,
            "correlation_id": known,
        }
        return json.dumps(fields) + "\n"

    (tmp_path / "web.log.20261125T093000.123456Z").write_text(line(-9, "earliest"))
    (tmp_path / "web.log").write_text(line(-5, "before \x1b[31m") + line(-4, "no", "another"))
    late = line(60, "after postgresql://u:geheim@db/x").replace("}", ', "exception": "Traceback"}')
    (tmp_path / "worker.log").write_text(line(50, "meanwhile") + late)
    with correlation.bound("order-3"):
        activity.record("request", "POST /pay", 0.25, status=202)
    ship()
    everything = ["order-3", "--directory", str(tmp_path)]
    trace.main([*everything, "--json"], standalone_mode=False)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["kind"], one["source"], one["what"]) for one in lines] == [
        ("log", "web.log.20261125T093000.123456Z", "earliest"),
        ("log", "web.log", "before \x1b[31m"),
        ("request", "shop", "POST /pay"),
        ("log", "worker.log", "meanwhile"),
        ("log", "worker.log", "after postgresql://u:***@db/x"),
    ]
    assert (lines[4]["fields"]["level"], lines[4]["fields"]["logger"]) == ("ERROR", "shop")
    assert "Traceback" in lines[4]["fields"]["text"]
    trace.main([*everything, "--limit", "2"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "level=ERROR" in shown
    assert "\x1b" not in shown
    assert "POST /pay" not in shown
    trace.main(["order-3", "--data-dir", str(tmp_path / "none")], standalone_mode=False)
    told = capsys.readouterr()
    assert "POST /pay" in told.out
    assert "no log lines: there are no logs: LOG_DIRECTORY is not set" in told.err


def test_more_log_lines_than_one_answer_holds_are_read_on(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those without a time stay where they were written."""
    (tmp_path / "app.log").write_text("".join(f"n{number} id=long\n" for number in range(2500)))
    trace.main(["long", "--directory", str(tmp_path), "--limit", "2100", "--json"], standalone_mode=False)
    lines = [json.loads(line)["what"] for line in capsys.readouterr().out.splitlines()]
    assert lines == [f"n{number} id=long" for number in range(2100)]


def test_an_older_word_that_comes_late_changes_nothing(engine: Engine, client: Client) -> None:
    watchfleet.alert("Slow")
    early = wire.pack(*client.buffer.cut(10))
    watchfleet.alert("Slow", resolved=True)
    late = wire.pack(*client.buffer.cut(10))
    with engine.begin() as connection:
        ingest.write(connection, "late", late, utcnow())
        ingest.write(connection, "early", early, utcnow())
        assert evaluate_raised(connection, EVERYONE, utcnow() + timedelta(seconds=1)).transitions == ()


@pytest.mark.parametrize(
    "wrong", [{"severity": "loud"}, {"lasts": "soon"}, {"lasts": -1}, {"labels": 5}, {"summary": None}]
)
def test_what_is_no_alert_is_logged_and_never_raised(
    client: Client, caplog: pytest.LogCaptureFixture, wrong: dict[str, Any]
) -> None:
    faults._logged.clear()
    assert not watchfleet.alert("Wrong", **wrong)
    assert "Wrong is not raised" in caplog.text
    assert client.buffer.empty()


def test_without_instrument_nothing_is_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lifetime, "client", None)
    assert not watchfleet.alert("Early")
    assert "call watchfleet.instrument first" in caplog.text


def test_hostile_rows_are_turned_away_one_by_one(engine: Engine) -> None:
    now = utcnow()
    at = now.timestamp()
    good = ["task", at, "id", "pay", {"service": "shop", "duration": 0.5, "state": "SUCCESS"}]
    alert = {"labels": {"alertname": "A", "severity": "info"}, "summary": "", "description": "", "lasts": 60}
    rows = [
        good,
        ["alert", at, "id", "A", alert],
        "task",
        ["task", at, "not an id", "pay", {}],
        ["secret", at, "id", "pay", {}],
        ["task", "now", "id", "pay", {}],
        ["task", 1.0, "id", "pay", {}],
        ["task", at + 7200, "id", "pay", {}],
        ["task", at, "id", "pay\x00", {}],
        ["task", at, "id", "pay", {"x": ["deep"]}],
        ["task", at, "id", "pay", {"x": float("inf")}],
        ["task", at, "id", "pay", {"duration": "long"}],
        ["alert", at, "id", "A", {**alert, "lasts": 1e12}],
        ["alert", at, "id", "A", {**alert, "labels": {"alertname": "A", "bad-name": "x"}}],
        ["alert", at, "id", "A", {**alert, "labels": {"severity": "info"}}],
    ]
    with engine.begin() as connection:
        written = ingest.write(connection, "batch", {**wire.pack([]), "activity": rows}, now)
        stored = fetch(
            connection, "SELECT correlation_id, kind, name, service, duration, fields FROM activity"
        )
        assert stored == [("id", "task", "pay", "shop", 0.5, {"state": "SUCCESS"})]
        assert fetch(connection, "SELECT count(*) FROM raised_alert") == [(1,)]
    assert (written.accepted, written.rejected) == (2, len(rows) - 2)
    assert written.reasons == {"bad_activity": 8, "bad_alert": 3, "too_old": 1, "too_new": 1}


def test_one_process_records_so_much_a_second_and_counts_the_rest(client: Client) -> None:
    with correlation.bound("busy"):
        for _ in range(5 * activity.MOST_A_SECOND):
            activity.record("task", "noop", 0.1)
    activity.record("task", "nobody's", 0.1)
    rows = client.buffer.cut(10_000).activity
    client.buffer.settle({})
    skipped = sum(sample.value for sample in client.buffer.cut(10).samples)
    assert len(rows) + skipped == 5 * activity.MOST_A_SECOND
    assert activity.MOST_A_SECOND <= len(rows) < 5 * activity.MOST_A_SECOND
    assert rows[0].correlation_id == "busy"
    assert datetime.fromtimestamp(rows[0].at, UTC).year >= 2026
