"""Gates, fallbacks, digests and accounts of the outbox on a real PostgreSQL."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner
from pydantic import SecretStr
from sqlalchemy import delete
from support.messages import AT, LABELS, alert, ended, firing, told
from support.outbox_rows import add, rows, states

from watchfleet.breaker import State
from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.db.tables import outbox as table
from watchfleet.errors import DeliveryError
from watchfleet.model import Destination, Message, Receipt
from watchfleet.notify import circuits, outbox
from watchfleet.notify.accounts import accounting, oldest_due, prune
from watchfleet.notify.deliver import Drained, Means, drain
from watchfleet.notify.gate import TRIPPED, Gate, after, force, release
from watchfleet.notify.policy import receivers
from watchfleet.notify.receivers import Receivers
from watchfleet.notify.retry import LONGEST_WAIT, Outcome
from watchfleet.notify.sweeper import sweep
from watchfleet.settings import Settings

pytestmark = pytest.mark.usefixtures("environment")
SECOND = timedelta(seconds=1)
URL = SecretStr("http://127.0.0.1:9/")


class Scripted:
    """A receiver that does what the test says, and keeps what it took."""

    def __init__(self, *errors: DeliveryError | None) -> None:
        self.errors = list(errors)
        self.taken: list[Message] = []
        self.tries = 0

    def send(self, message: Message) -> Receipt:
        self.tries += 1
        error = self.errors.pop(0) if self.errors else None
        if error:
            raise error
        self.taken.append(message)
        return Receipt("taken", reference=f"r{len(self.taken)}")


def passing(retry_after: float | None = None) -> DeliveryError:
    return DeliveryError("http_503", permanent=False, retry_after=retry_after)


GONE = DeliveryError("http_410", permanent=True)


def configured(**values: object) -> Receivers:
    return receivers(Settings(alert_webhook_url=URL, **values))


def run(
    receiver: Scripted, seconds: float = 0, channel: str = "webhook", known: Receivers | None = None
) -> Drained:
    now = AT + seconds * SECOND
    return drain(channel, Means(lambda _: receiver, known or configured(), lambda _: now))


def add_many(count: int, channels: Sequence[str] = ("webhook",), start: int = 0, now: datetime = AT) -> None:
    for number in range(start, start + count):
        labels = {**LABELS, "target": f"shop-{number}"}
        add(told(alert(labels=labels, fingerprint=f"{number:016x}")), channels, now)


# --- gates


def test_a_destination_that_keeps_failing_is_left_alone_and_then_tried_by_one() -> None:
    add_many(20)
    receiver = Scripted(*[passing() for _ in range(TRIPPED)], passing(), None)
    assert run(receiver).retried == TRIPPED
    assert receiver.tries == TRIPPED
    assert sum(row.attempts for row in rows()) == TRIPPED, "what was claimed and spared was not tried"
    assert run(receiver, 1).retried == 0
    assert run(receiver, 10).retried == 1
    assert receiver.tries == TRIPPED + 1
    assert run(receiver, 30).sent == 20


def test_a_pause_that_a_receiver_asks_for_holds_all_of_its_notifications() -> None:
    add_many(3)
    receiver = Scripted(passing(retry_after=60))
    assert run(receiver).retried == 1
    assert run(receiver, 59).sent == 0
    assert run(receiver, 62).sent == 3
    assert receiver.tries == 4


def test_a_destination_that_is_forced_open_waits_for_the_reset() -> None:
    add_many(3)
    receiver = Scripted()
    run(receiver)
    add_many(2, start=3)
    answer = CliRunner().invoke(cli, ["breakers", "force-open", "channel:webhook/default"])
    assert answer.output == "channel:webhook/default: CLOSED -> FORCED_OPEN\n"
    assert run(receiver, 3600).sent == 0
    (shown,) = [json.loads(line) for line in listed().splitlines() if "channel:webhook/default" in line]
    assert (shown["state"], shown["used_by"]) == ("FORCED_OPEN", "channel")
    refused = CliRunner().invoke(cli, ["breakers", "disable", "channel:webhook/default"])
    assert (refused.exit_code, "can be forced open and reset" in refused.stderr) == (1, True)
    CliRunner().invoke(cli, ["breakers", "reset", "channel:webhook/default"])
    assert run(receiver, 3600).sent == 2


def test_what_an_operator_forced_open_a_success_does_not_close() -> None:
    gate = force(Gate(1.0, AT), AT)
    assert after(gate, Outcome("sent", "delivered"), AT) == gate
    assert release(gate) == Gate(1.0, AT)


def test_the_breakers_of_failing_destinations_are_told_of() -> None:
    add_many(TRIPPED)
    run(Scripted(*[passing() for _ in range(TRIPPED)]))
    (shown,) = [json.loads(line) for line in listed().splitlines() if "channel:webhook/default" in line]
    assert shown["failed_calls"] == TRIPPED
    with transaction() as connection:
        (one,) = circuits.read(connection, AT)
        assert (one.state, one.failure_rate) == (State.OPEN, 100)
        assert circuits.observe(connection, utcnow()) > 0


def listed() -> str:
    return CliRunner().invoke(cli, ["breakers", "list", "--json"]).stdout


def test_a_rate_limit_spreads_and_loses_nothing() -> None:
    url = SecretStr("http://127.0.0.1:9/")
    known = receivers(Settings(slack_webhook_url=url))
    add_many(12, ["slack"])
    receiver = Scripted()
    assert [run(receiver, second, "slack", known).sent for second in range(0, 20, 5)] == [1, 5, 5, 1]


def test_the_sweeper_wakes_a_channel_when_its_gate_opens_and_not_before() -> None:
    add_many(2)
    run(Scripted(passing(retry_after=60)))

    def woken(seconds: float) -> tuple[str, ...]:
        with transaction() as connection:
            return sweep(connection, configured(), AT + seconds * SECOND)

    assert [woken(second) for second in (1, 10, 30, 59)] == [(), (), (), ()]
    assert woken(62) == ("webhook",)
    assert woken(63) == ()


def test_one_destination_that_fails_costs_another_of_its_channel_nothing() -> None:
    other = Destination("webhook", "other")
    add_many(10)
    run(Scripted(*[passing() for _ in range(TRIPPED)]))
    with transaction() as connection:
        outbox.enqueue(connection, firing(), [other], AT, occasion="x")
    receiver = Scripted()
    assert run(receiver, 1).sent == 1
    assert receiver.taken[0].receiver == "other"


def test_what_waits_too_long_for_a_destination_that_fails_as_long_is_given_up() -> None:
    add_many(TRIPPED + 1)
    run(Scripted(*[passing() for _ in range(TRIPPED)]))
    late = (LONGEST_WAIT + timedelta(days=3650)).total_seconds()  # created_at is the server's time
    with transaction() as connection:
        assert sweep(connection, configured(alert_fallback=["log"]), AT + late * SECOND) == ("log",)
    assert {row.reason for row in rows() if row.channel == "webhook"} == {"destination_failing"}
    assert states().count("dead") == TRIPPED + 1


# --- fallbacks


def test_a_fallback_is_told_in_the_transaction_that_gives_up() -> None:
    known = configured(alert_fallback=["log"])
    add(firing())
    done = run(Scripted(GONE), known=known)
    assert (done.dead, done.wake) == (1, ("log",))
    dead, instead = rows()
    assert (dead.state, instead.channel, instead.instead_of) == ("dead", "log", dead.id)
    receiver = Scripted()
    assert run(receiver, channel="log", known=known).sent == 1
    assert receiver.taken[0].alerts == firing().alerts


def test_a_fallback_that_fails_as_well_has_none_of_its_own() -> None:
    known = configured(alert_fallback=["log", "webhook"])
    add(firing())
    run(Scripted(GONE), known=known)
    run(Scripted(GONE), channel="log", known=known)
    assert states() == ["dead", "dead"]


def test_without_a_fallback_what_is_dead_is_dead_until_it_is_replayed() -> None:
    add(firing())
    run(Scripted(GONE))
    assert states() == ["dead"]
    with transaction() as connection:
        assert outbox.replay(connection, [rows()[0].id], AT) == 1
    assert run(Scripted()).sent == 1
    with transaction() as connection:
        assert outbox.replay(connection, [rows()[0].id], AT) == 0


# --- what continues what


def test_an_end_knows_what_the_receiver_said_to_the_beginning() -> None:
    receiver = Scripted()
    add(firing())
    add(told(ended()))
    run(receiver)
    began, over = receiver.taken
    assert began.previous is None
    assert over.previous == Receipt("taken", reference="r1")
    add(told(alert(starts_at=AT + timedelta(hours=1))))
    run(receiver)
    assert receiver.taken[2].previous is None, "a new firing begins anew"


# --- digests

STORM = Settings(alert_webhook_url=URL, alert_digest_over=5)


def test_a_storm_becomes_one_digest_that_names_them_all() -> None:
    add_many(50)
    receiver = Scripted()
    assert run(receiver, known=receivers(STORM)).sent == 1
    (digest,) = receiver.taken
    assert (digest.reason, digest.count, digest.status) == ("digest", 50, "firing")
    assert {each.labels["target"] for each in digest.alerts} == {f"shop-{number}" for number in range(50)}
    grouped = [row for row in rows() if row.state == "grouped"]
    assert {row.digest_id for row in grouped} == {rows()[-1].id}
    assert _accounts()["grouped"] == 50
    assert _accounts()["unaccounted"] == 0


def test_so_many_and_no_more_are_told_one_by_one() -> None:
    add_many(5)
    receiver = Scripted()
    assert run(receiver, known=receivers(STORM)).sent == 5


def test_an_end_waits_for_the_digest_that_tells_of_its_beginning() -> None:
    add_many(6)
    receiver = Scripted(passing())
    assert run(receiver, known=receivers(STORM)).retried == 1
    labels = {**LABELS, "target": "shop-0"}
    add(told(ended(labels=labels, fingerprint=f"{0:016x}")))
    assert run(receiver, known=receivers(STORM)).sent == 0
    assert run(receiver, 2, known=receivers(STORM)).sent == 2
    assert [message.status for message in receiver.taken] == ["firing", "resolved"]


def test_a_digest_takes_nothing_that_must_wait_for_what_is_tried_elsewhere() -> None:
    add_many(1)
    with transaction() as connection:
        outbox.claim(connection, "webhook", receivers(STORM), AT)
    add(told(ended(labels={**LABELS, "target": "shop-0"}, fingerprint=f"{0:016x}")))
    add_many(6, start=1)
    receiver = Scripted()
    assert run(receiver, known=receivers(STORM)).sent == 1
    assert receiver.taken[0].count == 6
    assert sorted(states()) == ["grouped"] * 6 + ["pending", "sending", "sent"]


# --- accounts


def _accounts() -> dict[str, int]:
    with transaction() as connection:
        return accounting(connection)


def test_a_row_that_vanished_shows_and_one_that_was_pruned_does_not() -> None:
    add_many(3)
    run(Scripted())
    with transaction() as connection:
        assert prune(connection, AT) == 0
        assert prune(connection, AT + SECOND) == 3
    assert _accounts()["unaccounted"] == 0
    add_many(2, start=5)
    with transaction() as connection:
        connection.execute(delete(table).where(table.c.id == rows()[0].id))
    assert _accounts()["unaccounted"] == 1


def test_the_oldest_due_row_is_the_one_that_could_go_out() -> None:
    def oldest(seconds: float) -> float:
        with transaction() as connection:
            return oldest_due(connection, AT + seconds * SECOND)

    assert oldest(10) == 0
    add_many(2)
    assert oldest(10) == 10
    run(Scripted(passing(retry_after=60)))
    assert oldest(30) == 0
    assert oldest(70) == 10
