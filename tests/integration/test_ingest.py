"""Batches into a real store: each once, whole but for what is bad, whatever happens on the way."""

import subprocess
import sys
import threading
from array import array
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError
from support.servers import ROOT

from watchfleet.db import partitions
from watchfleet.db.engine import get_engine, in_transaction, transaction
from watchfleet.errors import StoreUnavailableError
from watchfleet.metrics import counters, ingest
from watchfleet.metrics.batches import Written
from watchfleet.metrics.ingest import STALE_NAN
from watchfleet.metrics.rejects import MOST_KEPT
from watchfleet.model import Event, Kind, Sample
from watchfleet.wire import pack

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("environment")


def sample(value: float = 1.0, ago: float = 60, kind: Kind = Kind.GAUGE, **labels: str) -> Sample:
    return Sample(f"some_{kind}", labels, kind, NOW.timestamp() - ago, value)


def write(batch_id: Any, batch: Any) -> Written:
    with transaction() as connection:
        return ingest.write(connection, batch_id, batch, NOW)


def scalar(query: str) -> Any:
    with transaction() as connection:
        return connection.scalar(text(query))


def stored() -> int:
    return int(scalar("SELECT count(*) FROM samples"))


def test_samples_come_out_as_they_went_in():
    samples = [sample(0.1 + 0.2, 1.000001, host="é\n'"), sample(-1e300, 5), sample(5e-324, 3, Kind.EVENT)]
    assert write("b1", pack(samples)) == Written(accepted=3)
    with transaction() as connection:
        rows = connection.execute(
            text(
                "SELECT name, labels, kind, extract(epoch FROM ts) AS ts, value FROM samples"
                " JOIN series ON series.id = series_id ORDER BY ts"
            )
        ).all()
    assert [(r.name, r.labels, r.kind, r.value) for r in rows] == [
        ("some_gauge", {}, "gauge", -1e300),
        ("some_event", {}, "event", 5e-324),
        ("some_gauge", {"host": "é\n'"}, "gauge", 0.1 + 0.2),
    ]
    assert [round(float(r.ts) * 1e6) for r in rows] == sorted(round(one.ts * 1e6) for one in samples)


def test_a_batch_that_comes_again_changes_nothing():
    batch = pack([sample()], [Event("account_scraped", NOW.timestamp(), "insta", "alice", None, {})])
    assert write("b1", batch).accepted == 2
    before = snapshot()
    assert write("b1", batch) == Written(duplicate=True)
    assert write("b1", pack([sample(2), sample(3)])) == Written(duplicate=True)
    assert snapshot() == before


def snapshot() -> list[Any]:
    tables = ("samples", "dirty_slice", "account", "account_event", "ingest_rejects", "series", "metric")
    with transaction() as connection:
        return [connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).all() for table in tables]


def test_a_batch_that_comes_twice_at_once_is_stored_once():
    batch, barrier = pack([sample(n, host=str(n)) for n in range(50)]), threading.Barrier(4)

    def deliver(_: int) -> Written:
        barrier.wait()
        return write("b1", batch)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(deliver, range(4)))
    assert sorted(one.accepted for one in results) == [0, 0, 0, 50]
    assert stored() == 50


def test_a_writer_that_is_killed_before_its_commit_leaves_nothing_and_the_redelivery_all():
    command = [sys.executable, "-c", WRITES_AND_HANGS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"1000\n"
        child.kill()
    batch = pack([sample(n, host=str(n % 7)) for n in range(1000)])
    assert write("b1", batch) == Written(accepted=1000)
    assert write("b1", batch) == Written(duplicate=True)
    assert stored() == 1000


WRITES_AND_HANGS = """
import time
from datetime import datetime, UTC
from watchfleet.db.engine import transaction
from watchfleet.metrics import ingest
from watchfleet.model import Kind, Sample
now = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)
at = now.timestamp() - 60
samples = [Sample("some_gauge", {"host": str(n % 7)}, Kind.GAUGE, at, n) for n in range(1000)]
with transaction() as connection:
    print(ingest.write_samples(connection, "b1", samples, now).accepted, flush=True)
    time.sleep(60)
"""


BAD = [
    (sample(ago=-601), "too_new"),
    (sample(ago=7 * 86400 + 1), "too_old"),
    (sample(float("nan"), kind=Kind.COUNTER), "not_finite"),
    (sample(float("inf"), kind=Kind.EVENT), "not_finite"),
    (sample(-1, kind=Kind.COUNTER), "negative"),
    (sample(-1, kind=Kind.DURATION), "negative"),
    (Sample("bad name", {}, Kind.GAUGE, NOW.timestamp(), 1), "bad_name"),
    (Sample("x", {"__a": "b"}, Kind.GAUGE, NOW.timestamp(), 1), "bad_label"),
    (Sample("x", {"a": "\x00"}, Kind.GAUGE, NOW.timestamp(), 1), "bad_label_value"),
    (Sample("x", {"a": "\ud800"}, Kind.GAUGE, NOW.timestamp(), 1), "bad_label_value"),
    (Sample("some_gauge", {}, Kind.COUNTER, NOW.timestamp(), 1), "kind_mismatch"),
    (Sample("x", {}, "no kind", NOW.timestamp(), 1), "bad_kind"),  # type: ignore[arg-type]
    (Sample("x", {}, Kind.GAUGE, -62e9, 1), "too_old"),
    (Sample("x", {}, Kind.GAUGE, 9e12, 1), "too_new"),
]


def test_a_bad_sample_is_rejected_alone_with_its_reason():
    for number, (bad, reason) in enumerate(BAD):
        found = write(f"b{number}", pack([sample(1), bad, sample(2, host="a")]))
        assert (found.accepted, found.rejected, found.reasons) == (2, 1, {reason: 1}), bad
        assert scalar(f"SELECT reason FROM ingest_rejects WHERE batch_id = 'b{number}'") == reason
    assert stored() == 2 * len(BAD)
    assert total("watchfleet_ingest_rejected_samples_total", reason="too_old") == 2


def total(name: str, **labels: str) -> float:
    with transaction() as connection:
        return sum(
            one.value for one in counters.totals(connection) if one.name == name and one.labels == labels
        )


def test_all_rejects_are_counted_and_some_are_kept():
    found = write("b1", pack([sample(n, ago=1e7) for n in range(500)] + [sample()]))
    assert (found.accepted, found.rejected) == (1, 500)
    assert scalar("SELECT count(*) FROM ingest_rejects") == MOST_KEPT
    assert scalar("SELECT accepted || ' ' || rejected FROM ingest_batch") == "1 500"


def test_what_is_no_batch_is_refused_and_recorded_once():
    good = pack([sample()])
    batches = [None, [], {}, {"v": 99}, {**good, "index": "*"}, {**good, "series": []}]
    for number, batch in enumerate(batches):
        assert write(f"b{number}", batch).refused
        assert write(f"b{number}", batch) == Written(duplicate=True)
    assert scalar("SELECT count(*) FROM ingest_rejects") == len(batches)
    assert total("watchfleet_ingest_batches_total", outcome="refused") == len(batches)


def test_an_id_of_any_kind_tells_batches_apart():
    identities = ["x" * 200, "x" * 201, "x" * 202, "a\x00", "\ud800", 7, None, ["x"]]
    for batch_id in identities:
        assert write(batch_id, pack([sample()])).accepted == 1
        assert write(batch_id, pack([sample()])).duplicate
    assert stored() == len(identities)


def test_a_gauge_may_be_no_number_and_any_series_may_end_with_a_staleness_marker():
    stale = np.array([STALE_NAN], np.int64).view(np.float64)[0]
    batch = pack([sample(float("nan")), sample(float("-inf"))])
    batch["series"].append(["some_counter", {}, "counter"])
    batch["index"] = b64encode(array("I", [0, 0, 1])).decode()
    batch["ts"] = b64encode(array("I", [0] * 3)).decode()
    batch["value"] = b64encode(np.array([float("nan"), float("-inf"), stale]).tobytes()).decode()
    assert write("b1", batch).accepted == 3
    marker = scalar("SELECT encode(float8send(value), 'hex') FROM samples ORDER BY series_id DESC LIMIT 1")
    assert marker == f"{STALE_NAN:016x}"


def test_hostile_texts_are_stored_as_they_are():
    texts = ["'); DROP TABLE samples; --", '%s %(x)s {x} \\ " \t', "\u202e\U0001f600", '{other="true"}']
    assert write("b1", pack([sample(labels_=one) for one in texts])).accepted == len(texts)
    with transaction() as connection:
        found = connection.scalars(text("SELECT labels->>'labels_' FROM series ORDER BY id")).all()
    assert found == texts


def test_what_was_accepted_is_counted_whether_or_not_it_is_summed_up():
    write("b1", pack([sample(), sample(2)]))
    with transaction() as connection:
        counters.fold(connection)
    write("b2", pack([sample(3)]))
    write("b2", pack([sample(3)]))
    assert total("watchfleet_ingest_samples_total") == 3
    assert total("watchfleet_ingest_batches_total", outcome="written") == 2
    assert total("watchfleet_ingest_batches_total", outcome="duplicate") == 1


def test_a_missing_partition_is_made_when_a_sample_needs_it():
    assert write("b1", pack([sample(ago=6 * 86400)])).accepted == 1
    assert scalar("SELECT count(*) FROM samples_p20261117") == 1


def test_a_partition_that_was_dropped_by_hand_is_made_again():
    write("b1", pack([sample()]))
    with transaction() as connection:
        connection.execute(text("DROP TABLE samples_p20261123"))
    assert write("b2", pack([sample()])).accepted == 1
    assert stored() == 1


def test_writers_that_miss_the_same_partition_at_once_all_write():
    barrier = threading.Barrier(6)

    def deliver(number: int) -> int:
        barrier.wait()
        return write(f"b{number}", pack([sample(ago=86400 * (number % 3 + 1), host=str(number))])).accepted

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(deliver, range(6))) == [1] * 6
    assert stored() == 6


def test_a_transaction_that_read_the_samples_can_make_a_partition_and_write():
    write("b1", pack([sample()]))
    partitions.forget(get_engine())
    with transaction() as connection:
        connection.execute(text("SELECT count(*) FROM samples"))
        assert ingest.write(connection, "b2", pack([sample()]), NOW).accepted == 1
        assert ingest.write(connection, "b3", pack([sample(ago=2 * 86400)]), NOW).accepted == 1
    assert stored() == 3


def test_an_open_reader_holds_up_no_writer_that_needs_a_partition():
    write("b1", pack([sample()]))
    with transaction() as reader:
        reader.execute(text("SELECT count(*) FROM samples"))
        assert write("b2", pack([sample(ago=3 * 86400)])).accepted == 1


def test_samples_are_marked_for_rollup_by_slice_and_late_ones_by_series():
    write("b1", pack([sample(ago=ago, host=host) for ago in (10, 7200) for host in ("a", "b")]))
    with transaction() as connection:
        rows = connection.execute(
            text(
                "SELECT slice, count(*), count(series_id) FROM dirty_slice"
                " WHERE tier = 0 GROUP BY slice ORDER BY slice"
            )
        ).all()
    assert [tuple(row) for row in rows] == [
        (NOW.replace(hour=10, minute=30, second=0), 2, 2),
        (NOW.replace(minute=30, second=0), 1, 0),
    ]


def test_a_transaction_that_is_rolled_back_leaves_the_series_good():
    with get_engine().connect() as connection:
        assert ingest.write_samples(connection, "b1", [sample(host="new")], NOW).accepted == 1
        connection.rollback()
    assert stored() == 0
    assert write("b1", pack([sample(host="new")])).accepted == 1
    assert scalar("SELECT count(*) FROM samples JOIN series ON series.id = series_id") == 1


def test_a_batch_waits_for_a_store_that_is_away():
    attempts = []

    def work(connection: Any) -> Written:
        attempts.append(1)
        if len(attempts) < 3:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return ingest.write(connection, "b1", pack([sample()]), NOW)

    assert in_transaction(work, patience=20) == Written(accepted=1)
    assert (len(attempts), stored()) == (3, 1)


def test_a_store_that_stays_away_is_given_up_and_an_error_of_ours_is_raised_at_once():
    def away(connection: Any) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    def wrong(connection: Any) -> None:
        connection.execute(text("SELECT 1 / 0"))

    with pytest.raises(StoreUnavailableError):
        in_transaction(away, patience=0)
    with pytest.raises(DataError):
        in_transaction(wrong, patience=60)
