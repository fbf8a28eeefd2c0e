"""How long a task waited, told from what its message says."""

from datetime import UTC, datetime, timedelta

import pytest
from celery.app.task import Context

from watchfleet.fleet import PUBLISHED_HEADER
from watchfleet.instrument.celery import queue_wait

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def request(published: object, eta: timedelta | None = None) -> Context:
    return Context({PUBLISHED_HEADER: published, "eta": None if eta is None else (NOW + eta).isoformat()})


def at(seconds: float) -> float:
    return NOW.timestamp() + seconds


@pytest.mark.parametrize(
    ("published", "eta", "waited"),
    [
        (at(-7), None, 7),
        (at(-7), timedelta(seconds=-2), 2),  # it might not start before then
        (at(-7), timedelta(seconds=-20), 7),
        (at(3), None, 0),  # the publisher's clock is ahead of ours
        (None, None, None),  # its publisher is not instrumented
        ("yesterday", None, None),
    ],
)
def test_the_wait_begins_when_the_task_could_have_started(
    published: object, eta: timedelta | None, waited: float | None
) -> None:
    assert queue_wait(request(published, eta), NOW.timestamp()) == waited
