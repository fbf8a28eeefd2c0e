"""`watchfleet stats` and `/api/stats`: the same figures, in every form."""

import csv
import io
import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import text

from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.errors import WatchfleetError
from watchfleet.metrics import ingest
from watchfleet.metrics.accounts import platforms
from watchfleet.model import Event
from watchfleet.web import create_app
from watchfleet.wire import pack

pytestmark = pytest.mark.usefixtures("reported")


@pytest.fixture
def reported(environment: pytest.MonkeyPatch) -> None:
    """Five accounts on two platforms; one in three scrapes failed."""
    now = utcnow()
    events = []
    for number in range(5):
        subject = ("insta" if number < 3 else "tube", f"a{number}", "vip" if number == 0 else None)
        for scrape in range(3):
            failed = scrape == number % 3
            signal = "scrape_failed" if failed else "account_scraped"
            fields = {"duration": 0.5} | ({"reason": "login_wall"} if failed else {})
            events.append(Event(signal, now.timestamp() - scrape, *subject, fields))
        counts = {"followers": 100.0 * (number + 1)}
        events.append(Event("followers_counted", now.timestamp(), *subject, counts))
        events.append(Event("followers_counted", now.timestamp() - 86_400, *subject, {"followers": 80.0}))
    with transaction() as connection:
        ingest.write(connection, "b", pack([], events), now)


@pytest.fixture
def client() -> FlaskClient:
    return create_app().test_client()


def get(client: FlaskClient, path: str) -> dict[str, object]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["stats", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def table(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content)))


def test_daily_statistics_are_the_same_in_every_form(client: FlaskClient) -> None:
    today = utcnow().date()
    rows = get(client, f"/api/stats/daily?since={today - timedelta(days=1)}&by=platform")["days"]
    assert {(row["platform"], row["succeeded"], row["failed"], row["followers"]) for row in rows} >= {
        ("insta", 0, 0, 240.0),
        ("tube", 0, 0, 160.0),
    }
    assert sum(row["succeeded"] for row in rows) == 10
    assert sum(row["failed"] for row in rows) == 5
    assert json.loads(run("daily", "--since", "1d", "--by", "platform", "--json")) == rows
    assert table(run("daily", "--since", "1d", "--by", "platform", "--csv")) == table(
        client.get("/api/stats/daily?since=1d&by=platform&format=csv").text
    )
    accounts = get(client, "/api/stats/daily?since=1d&group=vip")["days"]
    assert {row["account"] for row in accounts} == {"a0"}
    assert sum(row["succeeded"] for row in accounts) == 2
    shown = run("daily", "--platform", "insta")
    assert "a1" in shown
    assert "a4" not in shown


def test_an_answer_of_many_rows_comes_in_pages(client: FlaskClient) -> None:
    whole = get(client, "/api/stats/daily")
    pages, after = [], ""
    for _ in range(9):
        part = get(client, f"/api/stats/daily?limit=3&after={after}")
        pages += part["days"]
        after = part["next"]
        if after is None:
            break
    assert pages == whole["days"]
    assert len(pages) >= 10
    accounts = get(client, "/api/stats/freshness?limit=2")
    rest = get(client, f"/api/stats/freshness?after={accounts['next']}")
    assert [one["account"] for one in accounts["accounts"] + rest["accounts"]] == [
        f"a{number}" for number in range(5)
    ]


def test_freshness_and_growth(client: FlaskClient) -> None:
    found = get(client, "/api/stats/freshness")
    assert {one["platform"]: one["stale"] for one in found["platforms"]} == {"insta": 0, "tube": 0}
    assert get(client, "/api/stats/freshness?stale=true")["accounts"] == []
    assert "insta" in run("freshness")
    assert run("freshness", "--stale", "--csv") == ""
    found = get(client, "/api/stats/growth")
    assert {one["platform"]: one["growth_1d"] for one in found["platforms"]} == {"insta": 360, "tube": 740}
    assert [one["growth_ratio_1d"] for one in found["accounts"]] == [0.25, 1.5, 2.75, 4.0, 5.25]
    assert json.loads(run("growth", "--json")) == found["accounts"]
    assert "25.00%" in run("growth")


def test_days_can_be_verified_and_made_anew() -> None:
    assert "0 rows differ" in run("verify")
    with transaction() as connection:
        connection.execute(text("UPDATE daily_stats SET succeeded = 9 WHERE account = 'a1'"))
    with pytest.raises(WatchfleetError, match="a1: the row differs"):
        run("verify")
    assert "days anew: 10 rows" in run("rebuild")
    assert "0 rows differ" in run("verify")


def test_metrics_show_platforms(client: FlaskClient) -> None:
    with transaction() as connection:
        platforms.publish(connection, utcnow())
    shown = client.get("/metrics").text
    lines = set(shown.splitlines())
    assert 'accounts{platform="insta",state="failing"} 1.0' in lines
    assert 'scrapes_total{outcome="succeeded",platform="tube"} 4.0' in lines
    assert 'scrape_duration_seconds_bucket{le="0.5",platform="insta"} 9.0' in lines
    assert 'scrape_duration_seconds_sum{platform="insta"} 4.5' in lines
    assert 'data_age_seconds_bucket{le="60.0",platform="insta"} 3.0' in lines
    assert 'followers{platform="insta"} 600.0' in lines
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = client.get("/metrics", headers=accept)
    assert answer.mimetype == "application/openmetrics-text"
    assert answer.text.endswith("# EOF\n")
    assert "a1" not in shown


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("daily?since=yesterday", "since: 'yesterday' is no day"),
        ("daily?since=0001-01-01", "is no day"),
        ("daily?by=colour", "by: 'colour' is not one of account, group, platform"),
        ("daily?limit=0", "limit: '0' is not a number from 1 to 10000"),
        ("daily?after=bm9uc2Vuc2U=", "after: give what the answer before said"),
        ("daily?platform=%00", "platform: holds a NUL character"),
        ("freshness?stale=maybe", "stale: 'maybe' is not one of"),
        ("growth?day=2026-13-01", "day: '2026-13-01' is no day"),
    ],
)
def test_what_cannot_be_answered_is_said_in_words(client: FlaskClient, query: str, complaint: str) -> None:
    answer = client.get(f"/api/stats/{query}")
    assert answer.status_code == 400
    assert complaint in answer.get_json()["error"]


def test_strangers_are_refused(client: FlaskClient) -> None:
    answer = client.get("/api/stats/daily", headers={"X-Forwarded-For": "192.0.2.1"})
    assert answer.status_code == 403
