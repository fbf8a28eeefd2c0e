"""Check-ins of periodic tasks in Sentry."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sentry_sdk.envelope import Envelope
from support.receivers import Answer, SentryReceiver, sentry_receiver

from alert_channels import checkins
from watchfleet.db.beat_runs import LastRun
from watchfleet.settings import Settings

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SCHEDULE = {
    "watchfleet.rules.evaluate": {"schedule": timedelta(seconds=15)},
    "watchfleet.upkeep.keep_partitions": {"schedule": timedelta(hours=1)},
}
RUNS = [LastRun("watchfleet.rules.evaluate", AT, 5), LastRun("watchfleet.upkeep.keep_partitions", AT, 9000)]


class Monitors(SentryReceiver):
    """Keeps check-ins."""

    def answer(self, request: object) -> Answer:
        return self.answers.popleft() if self.answers else Answer()


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> object:
    with sentry_receiver() as receiver:
        monkeypatch.setattr(type(receiver), "answer", Monitors.answer)
        yield receiver


def told(receiver: SentryReceiver) -> list[dict[str, object]]:
    envelopes = [Envelope.deserialize(request.body) for request in receiver.requests]
    return [json.loads(item.get_bytes()) for envelope in envelopes for item in envelope.items]


def test_each_periodic_task_is_a_monitor_and_one_that_is_late_fails(project: SentryReceiver) -> None:
    settings = Settings(sentry_dsn=project.dsn, sentry_check_ins=True)
    gone = LastRun("watchfleet.no.more", AT, 1)
    assert checkins.send([*RUNS, gone], SCHEDULE, settings) == 2
    evaluate, partitions = told(project)
    assert (evaluate["monitor_slug"], evaluate["status"]) == ("watchfleet-rules-evaluate", "ok")
    assert evaluate["monitor_config"]["schedule"] == {"type": "interval", "value": 1, "unit": "minute"}
    assert (partitions["monitor_slug"], partitions["status"]) == (
        "watchfleet-upkeep-keep-partitions",
        "error",
    )
    assert partitions["monitor_config"]["schedule"]["value"] == 60


def test_the_same_slot_is_the_same_check_in() -> None:
    first, second = (checkins.check_in(RUNS[0], timedelta(seconds=15)) for _ in range(2))
    later = checkins.check_in(RUNS[0]._replace(slot=AT + timedelta(seconds=15)), timedelta(seconds=15))
    assert first["check_in_id"] == second["check_in_id"] != later["check_in_id"]


def test_a_sentry_that_is_away_is_asked_once(
    project: SentryReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    project.answers.extend([Answer(503), Answer(503)])
    assert checkins.send(RUNS, SCHEDULE, Settings(sentry_dsn=project.dsn, sentry_check_ins=True)) == 0
    assert len(project.requests) == 1
    assert "did not take the check-in" in caplog.text


def test_nobody_is_told_unasked(project: SentryReceiver) -> None:
    assert checkins.send(RUNS, SCHEDULE, Settings(sentry_dsn=project.dsn)) == 0
    assert checkins.send(RUNS, SCHEDULE, Settings(sentry_check_ins=True)) == 0
    assert project.requests == []
