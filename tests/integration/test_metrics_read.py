"""Samples come out again, by name, labels and time, and never more than the bounds."""

from datetime import UTC, datetime, timedelta

import pytest

from watchfleet.db.engine import transaction
from watchfleet.metrics import ingest, read
from watchfleet.metrics.read import SeriesPoints, TooMuchError
from watchfleet.model import Kind, Sample

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture(autouse=True)
def _samples(environment):
    samples = [
        Sample("m", {"host": host, "zone": "x"} if host == "a" else {"host": host}, Kind.GAUGE, at, float(n))
        for host in ("a", "b")
        for n, at in enumerate((NOW.timestamp() - 10.000001, NOW.timestamp() - 20, NOW.timestamp() - 30))
    ]
    samples.append(Sample("other", {"host": "a"}, Kind.GAUGE, NOW.timestamp(), 9.0))
    with transaction() as connection:
        ingest.write_samples(connection, "b1", samples, NOW)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


A = SeriesPoints({"host": "a", "zone": "x"}, [(ago(30), 2.0), (ago(20), 1.0), (ago(10.000001), 0.0)])
B = SeriesPoints({"host": "b"}, A.points)


@pytest.mark.parametrize(
    ("since", "matchers", "expected"),
    [
        (60, None, [A, B]),
        (60, {"host": "a"}, [A]),
        (60, {"host": "a", "zone": "y"}, []),
        (60, {"zone": ""}, [B]),
        (20, {"host": "b"}, [SeriesPoints({"host": "b"}, A.points[1:])]),
        (5, None, []),
    ],
)
def test_recent_samples(since, matchers, expected):
    with transaction() as connection:
        assert read.recent(connection, "m", ago(since), matchers) == expected


def test_the_latest_sample_of_each_series():
    with transaction() as connection:
        found = read.latest(connection, "m", ago(60))
        assert [(one.labels["host"], one.points) for one in found] == [
            ("a", A.points[-1:]),
            ("b", A.points[-1:]),
        ]
        assert read.latest(connection, "m", ago(5)) == []
        assert read.latest(connection, "unknown", ago(60)) == []


def test_more_than_the_bounds_is_refused(monkeypatch):
    with transaction() as connection:
        monkeypatch.setattr(read, "MOST_POINTS", 5)
        with pytest.raises(TooMuchError, match="samples"):
            read.recent(connection, "m", ago(60))
        monkeypatch.setattr(read, "MOST_SERIES", 1)
        with pytest.raises(TooMuchError, match="series"):
            read.recent(connection, "m", ago(60))
