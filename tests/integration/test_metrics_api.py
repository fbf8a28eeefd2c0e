"""`/api/metrics`: every aggregate of every tier beside what the samples say."""

import csv
import io
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pytest
from flask.testing import FlaskClient

from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import ingest, query, rollups
from watchfleet.metrics.query import pick
from watchfleet.model import Kind, Sample
from watchfleet.web import create_app

HOURS = 5
NOW = utcnow().replace(minute=0, second=0, microsecond=0)
START = NOW - timedelta(hours=HOURS)


def values(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of one series: every 20 s, a counter with two restarts."""
    rng = np.random.default_rng(len(name))
    times = START.timestamp() + np.arange(HOURS * 180) * 20.0
    if name == "jobs_total":
        counted = np.cumsum(rng.integers(0, 9, len(times))).astype(float)
        counted[300:] -= counted[300]
        counted[731:] -= counted[731]
        return times, counted
    return times, rng.lognormal(1, 1, len(times))


KINDS = {
    "load": Kind.GAUGE,
    "jobs_total": Kind.COUNTER,
    "found_total": Kind.EVENT,
    "work_seconds": Kind.DURATION,
}


@pytest.fixture
def client(environment: pytest.MonkeyPatch) -> FlaskClient:
    samples = [
        Sample(name, {"host": host}, kind, at, value)
        for name, kind in KINDS.items()
        for host in ("a", "b")
        for at, value in zip(*values(name), strict=True)
    ]
    with transaction() as connection:
        ingest.write_samples(connection, "b", samples, utcnow())
    rollups.drain(get_engine(), utcnow())
    return create_app().test_client()


def ask(client: FlaskClient, **parameters: str) -> dict[str, object]:
    asked = {"from": START.isoformat(), "to": NOW.isoformat(), "labels": '{"host": "a"}'} | parameters
    answer = client.get("/api/metrics/query", query_string=asked)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def points(client: FlaskClient, **parameters: str) -> dict[float, float]:
    (series,) = ask(client, **parameters)["series"]
    assert series["labels"] == {"host": "a"}
    return dict(series["points"])


def expected(name: str, width: int, aggregate) -> dict[float, float]:
    times, counted = values(name)
    found = defaultdict(list)
    for at, value in zip(times, counted, strict=True):
        found[at // width * width].append(value)
    return {at: aggregate(np.array(some)) for at, some in found.items()}


def order_statistic(q: float, some: np.ndarray) -> float:
    return np.sort(some)[max(0, int(np.ceil(q * len(some))) - 1)]


def check_aggregates(client: FlaskClient, tier: str, width: int) -> None:
    plain = {
        "count": len,
        "sum": np.sum,
        "avg": np.mean,
        "min": np.min,
        "max": np.max,
        "first": lambda some: some[0],
        "last": lambda some: some[-1],
        "stddev": np.std,
    }
    for agg, function in plain.items():
        found = points(client, name="load", tier=tier, agg=agg)
        assert found == pytest.approx(expected("load", width, function), rel=1e-9), agg
    for percent in ("50", "90", "99", "37.5", "99.9"):
        found = points(client, name="work_seconds", tier=tier, agg=f"p{percent}")
        rank = partial(order_statistic, float(percent) / 100)
        assert found == pytest.approx(expected("work_seconds", width, rank), rel=0.011), percent
    found = points(client, name="found_total", tier=tier, agg="rate")
    assert found == pytest.approx(expected("found_total", width, lambda some: some.sum() / width))
    rises = points(client, name="jobs_total", tier=tier, agg="increase")
    _, counted = values("jobs_total")
    steps = np.diff(counted)
    assert sum(rises.values()) == np.where(steps >= 0, steps, counted[1:]).sum()
    rates = points(client, name="jobs_total", tier=tier, agg="rate")
    assert {at: rate * width for at, rate in rates.items()} == pytest.approx(rises)


def check_picks(client: FlaskClient) -> None:
    short = {"from": (NOW - timedelta(minutes=20)).isoformat()}
    found = ask(client, name="load", **short)
    assert (found["tier"], found["agg"], len(found["series"][0]["points"])) == ("raw", None, 60)
    assert ask(client, name="load")["tier"] == "5m"
    assert ask(client, name="jobs_total")["agg"] == "rate"
    assert ask(client, name="load", labels="{}")["series"][1]["labels"] == {"host": "b"}
    assert ask(client, name="load", labels='{"host": "\\u0000"}')["series"] == []
    # The increase of the first bucket goes on from the one before, which was not asked for.
    later = points(
        client, name="jobs_total", agg="increase", **{"from": (START + timedelta(hours=1)).isoformat()}
    )
    whole = points(client, name="jobs_total", agg="increase")
    assert later == {at: value for at, value in whole.items() if at >= START.timestamp() + 3600}


def check_forms(client: FlaskClient) -> None:
    asked = {"name": "load", "tier": "1h", "agg": "max", "from": START.isoformat(), "to": NOW.isoformat()}
    answer = client.get("/api/metrics/query", query_string=asked, headers={"Accept": "text/csv"})
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 2 * HOURS
    assert rows[0]["time"] == START.isoformat()
    assert json.loads(rows[0]["labels"]) == {"host": "a"}
    assert float(rows[0]["value"]) == points(client, name="load", tier="1h", agg="max")[START.timestamp()]


def check_listing(client: FlaskClient) -> None:
    whole = client.get("/api/metrics").get_json()["metrics"]
    assert {one["name"]: (one["kind"], one["series"]) for one in whole} == {
        name: (kind, 2) for name, kind in KINDS.items()
    }
    assert [one["name"] for one in client.get("/api/metrics?kind=event").get_json()["metrics"]] == [
        "found_total"
    ]
    assert len(client.get("/api/metrics?match=total").get_json()["metrics"]) == 2
    first = client.get("/api/metrics?limit=3").get_json()
    rest = client.get(f"/api/metrics?after={first['next']}").get_json()
    assert first["metrics"] + rest["metrics"] == whole


def check_errors(client: FlaskClient) -> None:
    for query_string, status, complaint in (
        ("", 400, "name: give the metric's name"),
        ("name=nothing", 404, "there is no metric nothing"),
        ("name=%00", 404, "there is no metric"),
        ("name=load&tier=2m", 400, "there is no tier '2m'; there are raw, 5m, 15m, 1h, 24h"),
        ("name=load&agg=mode", 400, "there is no agg 'mode'"),
        ("name=load&agg=p101", 400, "there is no agg 'p101'"),
        ("name=load&agg=rate", 400, "rate is for counters and events; this metric is a gauge"),
        ("name=load&tier=raw&agg=max", 400, "samples are not aggregated"),
        ("name=load&from=yesterday", 400, "from: 'yesterday' is no time"),
        ("name=load&from=1h&to=2h", 400, "to: must be after from"),
        ("name=load&labels=[1]", 400, "labels: give a JSON object of strings"),
    ):
        answer = client.get(f"/api/metrics/query?{query_string}")
        assert answer.status_code == status, query_string
        assert complaint in answer.get_json()["error"]


def test_the_api_answers_what_the_samples_say(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    check_aggregates(client, "5m", 300)
    check_aggregates(client, "1h", 3600)
    check_picks(client)
    check_forms(client)
    check_listing(client)
    check_errors(client)
    monkeypatch.setattr(query, "MOST_POINTS", 50)
    for agg in ("max", "p99.9"):
        answer = client.get(f"/api/metrics/query?name=load&from=4h&agg={agg}")
        assert answer.status_code == 422
        assert "more than 50 points" in answer.get_json()["error"]
    monkeypatch.setattr(query, "MOST_SERIES", 1)
    answer = client.get("/api/metrics/query?name=load&from=4h")
    assert (answer.status_code, "narrow them by labels" in answer.get_json()["error"]) == (422, True)


@pytest.mark.parametrize(
    ("ago", "span", "tier"),
    [
        ("1d", "1d", "5m"),
        ("6d", "6d", "15m"),
        ("40d", "1d", "15m"),
        ("200d", "1d", "1h"),
        ("500d", "1d", "24h"),
    ],
)
def test_the_tier_fits_the_time_and_what_is_kept(ago: str, span: str, tier: str) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    start = now - timedelta(days=int(ago[:-1]))
    assert pick(start, start + timedelta(days=int(span[:-1])), now).label == tier
