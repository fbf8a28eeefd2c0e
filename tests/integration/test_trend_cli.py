"""`watchfleet metrics trend` and `/api/metrics/trend`, over what samples and rollups are in a real store."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from support.servers import use_environment

from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import ingest, rollups
from watchfleet.model import Kind, Sample
from watchfleet.web.app import create_app

EVERY = 600
DAYS = 3
GROWTH = 100_000.0


@pytest.fixture
def stored(environment: pytest.MonkeyPatch) -> None:
    """Three days of samples every ten minutes, rolled up."""
    now = utcnow()
    ages = np.arange(DAYS * 86_400 // EVERY)[::-1] * EVERY + 30.0
    noise = np.random.default_rng(7).normal(size=len(ages))
    day = np.sin(ages / 86_400 * 2 * np.pi)
    values = {
        ("disk_used_bytes", "/data", Kind.GAUGE): 5e6 - ages * GROWTH / 86_400 + noise * 1000,
        ("disk_used_bytes", "/", Kind.GAUGE): 70 + 10 * day + noise,
        ("requests_total", "/", Kind.COUNTER): (ages.max() - ages) * 5,
        ("page_views", "/", Kind.EVENT): np.full(len(ages), 30.0),
    }
    samples = [
        Sample(name, {"path": path}, kind, now.timestamp() - age, value)
        for (name, path, kind), series in values.items()
        for age, value in zip(ages.tolist(), series.tolist(), strict=True)
    ]
    with transaction() as connection:
        written = ingest.write_samples(connection, "b1", samples, now)
    assert written.rejected == 0
    rollups.drain(get_engine(), now + timedelta(hours=2))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["metrics", "trend", *arguments])


def one(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    (series,) = json.loads(result.output)["series"]
    return series


@pytest.mark.usefixtures("stored")
def test_the_command_tells_where_metrics_are_going():
    check_page()
    check_threshold()
    check_days()
    check_rates()
    check_window_without_samples()


def check_page() -> None:
    result = run("disk_used_bytes", "--label", "path=/data", "--since", "70h", "--until", "6000000")
    assert result.exit_code == 0, result.output
    for words in ("rises", "a day", "Forecast", "80%", "Steps", "Season", "Until 6M", "earliest"):
        assert words in result.output
    found = json.loads(run("disk_used_bytes", "--since", "70h", "--json").output)
    assert [series["labels"]["path"] for series in found["series"]] == ["/", "/data"]
    assert found["left_off"] == 0


def check_threshold() -> None:
    told = one("disk_used_bytes", "--label", "path=/data", "--since", "70h", "--until", "6000000")
    assert told["slope"]["low"] <= GROWTH / 86_400 <= told["slope"]["high"]
    until = told["threshold"]
    assert until["outcome"] == "expected"
    assert until["expected"] == pytest.approx(10 * 86_400, rel=0.02)
    assert until["earliest"] < until["expected"] < until["latest"]


def check_days() -> None:
    told = one("disk_used_bytes", "--label", "path=/", "--since", "70h")
    assert told["source"] == "5m"
    assert told["seasons"] == [86_400]
    assert np.ptp(told["forecast"]["values"]) > 15
    assert told["expectation"]["outside"] is False


def check_rates() -> None:
    """Counters and events are told of per second, whether from samples or from rollups."""
    for window, source, stretches in (("70h", "5m", 70 * 12), ("3h", "samples", 3 * 60)):
        views = one("page_views", "--since", window)
        assert (views["unit"], views["source"]) == ("per second", source)
        assert abs(views["slope"]["per_second"]) < 1e-6
        assert views["points"] == pytest.approx(stretches, abs=12)  # also those in which nobody looked
    requests = one("requests_total", "--since", "3h")
    assert requests["unit"] == "per second"
    assert requests["last"]["value"] == pytest.approx(5)


def check_window_without_samples() -> None:
    told = one("disk_used_bytes", "--label", "path=/", "--since", "10s")
    assert told["last"] == {"at": None, "value": None}
    assert told["slope"] == told["forecast"] == {"unknown": "too_few_points"}
    assert "too few points" in run("disk_used_bytes", "--label", "path=/", "--since", "10s").output


@pytest.mark.usefixtures("stored")
def test_the_api_answers_who_sends_the_token(environment: pytest.MonkeyPatch):
    use_environment(environment, API_TOKEN="s3cret-token-of-the-api")
    client = create_app().test_client()
    asked = {"name": "disk_used_bytes", "labels": '{"path": "/data"}', "since": "70h", "until": "6e6"}
    assert client.get("/api/metrics/trend", query_string=asked).status_code == 401
    answer = get(client, asked)
    assert answer.status_code == 200
    (series,) = answer.json["series"]
    assert series["threshold"]["outcome"] == "expected"
    assert len(series["forecast"]["times"]) == 144
    assert get(client, {"name": "unknown"}).status_code == 404
    assert get(client, {"name": "null\0byte"}).status_code == 404


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({}, "name:"),
        ({"name": "x", "labels": "nonsense"}, "labels:"),
        ({"name": "x", "labels": '{"a": 1}'}, "labels:"),
        ({"name": "x", "since": "soon"}, "since:"),
        ({"name": "x", "since": "0s"}, "since:"),
        ({"name": "x", "until": "nan"}, "until:"),
    ],
)
def test_the_api_says_what_is_wrong(asked, complaint):
    answer = create_app().test_client().get("/api/metrics/trend", query_string=asked)
    assert answer.status_code == 400
    assert complaint in answer.json["error"]


def get(client: FlaskClient, asked: dict[str, str]):
    headers = {"Authorization": "Bearer s3cret-token-of-the-api"}
    return client.get("/api/metrics/trend", query_string=asked, headers=headers)


@pytest.mark.usefixtures("environment")
def test_an_unknown_metric_is_an_error_that_names_it():
    result = run("unknown", "--label", "path=/")
    assert result.exit_code == 1
    assert 'the store has no series unknown{path="/"}' in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--since", "soon"], "'soon' is not a duration"),
        (["--since", "0s"], "must be more than 0"),
        (["--label", "host"], "'host' is not a label"),
        (["--until", "inf"], "'inf' is not a number"),
    ],
)
def test_bad_usage_is_told(arguments, complaint):
    result = run("x", *arguments)
    assert result.exit_code == 2
    assert complaint in result.output
