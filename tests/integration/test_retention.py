"""What is deleted of the history of alerts and of changed rules, and what stays whatever its age."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, text
from support.messages import AT, firing, resolved
from support.outbox_rows import add

from watchfleet.db.engine import transaction
from watchfleet.db.tables import alert_event, outbox, rule_audit
from watchfleet.logs import upkeep
from watchfleet.metrics.counters import totals
from watchfleet.rules.retention import Pruned, prune

pytestmark = pytest.mark.usefixtures("environment")
DAY = timedelta(days=1)


def pruned(days: float = 400) -> Pruned:
    with transaction() as connection:
        return prune(connection, AT + days * DAY, alert_events=30 * DAY, audit=60 * DAY)


def events() -> list[str]:
    with transaction() as connection:
        return list(connection.execute(select(alert_event.c.to_state).order_by(alert_event.c.id)).scalars())


def test_an_old_event_goes_but_for_the_last_of_its_alert_and_those_still_to_be_told() -> None:
    add(firing())
    add(resolved())
    assert pruned() == Pruned(0, 0)  # both are still to be told
    with transaction() as connection:
        connection.execute(text("UPDATE outbox SET state = 'sent' WHERE message->>'status' = 'firing'"))
    assert pruned(days=29) == Pruned(0, 0)
    assert pruned() == Pruned(1, 0)
    assert events() == ["resolved"]
    with transaction() as connection:
        assert sorted(connection.execute(select(outbox.c.state)).scalars()) == ["pending", "sent"]
        connection.execute(text("UPDATE outbox SET state = 'sent'"))
    assert pruned() == Pruned(0, 0)
    assert events() == ["resolved"]


def test_who_changed_a_rule_is_kept_for_a_time_of_its_own() -> None:
    row = {"who": "me", "rule": "x", "before": {}, "after": {}}
    with transaction() as connection:
        connection.execute(insert(rule_audit), [{**row, "at": AT}, {**row, "at": AT + 2 * DAY}])
    assert pruned(days=59) == Pruned(0, 0)
    assert pruned(days=61) == Pruned(0, 1)


def test_deleted_log_files_are_counted(tmp_path) -> None:
    gone = tuple(upkeep.Deleted(tmp_path, reason, 10, 0.0) for reason in ("age", "age", "count"))
    with transaction() as connection:
        upkeep.count(connection, upkeep.Cleaned(gone, (), ()))
        found = {(one.name, one.labels["reason"]): one.value for one in totals(connection)}
    assert found == {
        ("watchfleet_log_files_deleted_total", "age"): 2,
        ("watchfleet_log_files_deleted_total", "count"): 1,
        ("watchfleet_log_bytes_deleted_total", "age"): 20,
        ("watchfleet_log_bytes_deleted_total", "count"): 10,
    }
