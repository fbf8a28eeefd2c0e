"""Names of alerts and deliveries."""

from datetime import UTC, datetime, timedelta, timezone

from watchfleet.model import Destination
from watchfleet.notify.identity import delivery_id, fingerprint, transition

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_a_fingerprint_is_that_of_prometheus() -> None:
    # The vectors of prometheus/common, model/signature_test.go.
    assert int(fingerprint({}), 16) == 14695981039346656037
    assert (
        int(fingerprint({"name": "garland, briggs", "fear": "love is not enough"}), 16) == 5799056148416392346
    )


def test_order_does_not_matter_and_no_text_can_pose_as_another() -> None:
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    assert fingerprint({"a": "1b"}) != fingerprint({"a": "1", "b": ""})


def test_a_delivery_has_one_name_in_every_time_zone_and_another_for_everything_else() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5)))
    log, email = Destination("log"), Destination("email", "ops", 1, "anna@example.org")
    assert transition("f", "firing", AT) == transition("f", "firing", elsewhere)
    others = [
        delivery_id(transition("f", "firing", AT), log),
        delivery_id(transition("g", "firing", AT), log),
        delivery_id(transition("f", "resolved", AT), log),
        delivery_id(transition("f", "firing", AT + timedelta(microseconds=1)), log),
        *(delivery_id(transition("f", "firing", AT), each) for each in _neighbours(email)),
    ]
    assert len(set(others)) == len(others)


def _neighbours(destination: Destination) -> list[Destination]:
    """It, and others that differ from it in one thing each."""
    changes = ({}, {"channel": "log"}, {"receiver": "dev"}, {"position": 0}, {"part": "bob@example.org"})
    return [destination._replace(**change) for change in changes]
