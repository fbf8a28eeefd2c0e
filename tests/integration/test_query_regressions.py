"""`watchfleet.detectors.queries`: a kind that got slower than in the week before, among some that did not."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tasks.detectors import queries
from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.detectors.regressions import KINDS
from watchfleet.metrics import ingest, read, rollups
from watchfleet.model import Kind, Sample


def durations(now: float) -> Iterator[Sample]:
    for kind, before, lately, count in (
        ("slower", 0.1, 0.4, 100),
        ("steady", 0.3, 0.3, 100),
        ("seldom", 0.1, 9.0, 99),
    ):
        for service in ("shop", "web"):
            for number in range(count // 2 + count % 2 * (service == "shop")):
                for age, seconds in ((3 * 86_400, before), (600, lately)):
                    labels = {"service": service, "fingerprint": kind, "operation": "SELECT"}
                    at = now - age + number / 1000
                    yield Sample("db_query_duration_seconds", labels, Kind.DURATION, at, seconds)
    for number in range(KINDS):
        labels = {"service": "shop", "fingerprint": f"small{number}", "operation": "SELECT"}
        yield Sample("db_query_duration_seconds", labels, Kind.DURATION, now - 60, 0.001)


@pytest.mark.usefixtures("environment")
def test_a_kind_that_got_slower_is_told_of() -> None:
    now = utcnow()
    with transaction() as connection:
        ingest.write_samples(connection, "durations", list(durations(now.timestamp())), now)
    rollups.drain(get_engine(), now)
    assert queries() == 1
    with transaction() as connection:
        ratios = latest(connection, "db_query_p95_week_ratio")
        hours = latest(connection, "db_query_hour_seconds")
    assert ratios == {"slower": pytest.approx(4, rel=0.03), "steady": pytest.approx(1, rel=0.03)}
    assert len(hours) == KINDS + 1
    assert (hours["slower"], hours["other"]) == (pytest.approx(40), pytest.approx(0.003))


def latest(connection, name: str) -> dict[str, float]:
    found = read.latest(connection, name, utcnow() - timedelta(minutes=1))
    return {one.labels["fingerprint"]: one.points[0][1] for one in found}
