"""Samples that others push: each once, the same on both sides, and what is hostile hurts nobody."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cramjam
import numpy as np
import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from support.remote_writer import field, label, packed, request_v1, request_v2, sample, series_v1, varint
from support.servers import use_environment

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.metrics import counters, read, remote_write
from watchfleet.metrics.ingest import STALE_NAN
from watchfleet.metrics.remote_write import V2
from watchfleet.web import create_app

pytestmark = pytest.mark.usefixtures("environment")
NOW = int(utcnow().timestamp() * 1000)
STALE = np.array([STALE_NAN], np.int64).view(np.float64)[0].item()


@pytest.fixture
def client(environment: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    with create_app().test_client() as client:
        yield client


def post(client: FlaskClient, body: bytes, proto: str = "", **headers: str) -> Any:
    kind = "application/x-protobuf" + (f";proto={proto}" if proto else "")
    sent = {"Content-Encoding": "snappy", "Content-Type": kind, **headers}
    return client.post("/api/v1/write", data=body, headers=sent)


def scalar(query: str) -> Any:
    with transaction() as connection:
        return connection.scalar(text(query))


def total(name: str, **labels: str) -> float:
    with transaction() as connection:
        return sum(
            one.value for one in counters.totals(connection) if one.name == name and one.labels == labels
        )


def test_both_versions_bring_the_same_samples(client: FlaskClient):
    labels = {"__name__": "requests_total", "job": "shop", "path": "/é"}
    samples = [(1.5, NOW - 2000), (2.5, NOW - 1000)]
    first = post(client, packed(request_v1((labels, samples))))
    assert (first.status_code, first.headers["X-Prometheus-Remote-Write-Samples-Written"]) == (204, "2")
    second = post(client, packed(request_v2(({**labels, "job": "bar"}, samples, 1))), V2)
    assert (second.status_code, second.headers["X-Prometheus-Remote-Write-Samples-Written"]) == (204, "2")
    with transaction() as connection:
        found = read.recent(connection, "requests_total", utcnow().replace(year=2000))
    assert [one.labels for one in found] == [
        {"job": "shop", "path": "/é"},
        {"job": "bar", "path": "/é"},
    ]
    assert [[(round(ts.timestamp() * 1000), value) for ts, value in one.points] for one in found] == [
        [(ts, value) for value, ts in samples]
    ] * 2
    assert scalar("SELECT DISTINCT kind FROM series") == "counter"


def test_the_type_that_version_2_tells_wins_over_the_name_and_the_stores_over_both(client: FlaskClient):
    rows = [
        ({"__name__": "odd_total"}, [(1.0, NOW)], 2),
        ({"__name__": "rising"}, [(1.0, NOW)], 1),
        ({"__name__": "took_bucket", "le": "1"}, [(1.0, NOW)], 3),
        ({"__name__": "took"}, [(1.0, NOW)], 5),
    ]
    assert post(client, packed(request_v2(*rows)), V2).status_code == 204
    assert (
        post(client, packed(request_v1(({"__name__": "rising", "a": "b"}, [(1.0, NOW)])))).status_code == 204
    )
    with transaction() as connection:
        kinds = dict(connection.execute(text("SELECT name, kind FROM metric")).all())
    assert kinds == {"odd_total": "gauge", "rising": "counter", "took_bucket": "counter", "took": "gauge"}
    assert scalar("SELECT count(*) FROM samples") == 5


def test_a_sample_that_is_sent_again_in_another_request_is_stored_once(client: FlaskClient):
    def ask(*points: tuple[float, int]) -> Any:
        return post(client, packed(request_v1(({"__name__": "up", "job": "a"}, list(points)))))

    ask((1, NOW - 3000), (1, NOW - 2000))
    again = ask((1, NOW - 2000), (9, NOW - 2000), (1, NOW - 1000))
    assert again.status_code == 204
    assert again.headers["X-Prometheus-Remote-Write-Samples-Written"] == "3"
    assert scalar("SELECT count(*) || ' ' || max(value) FROM samples") == "3 1"
    assert total("watchfleet_ingest_repeated_samples_total") == 2


def test_senders_of_the_same_samples_at_once_store_them_once(client: FlaskClient):
    app, barrier = client.application, threading.Barrier(4)
    rows = [
        ({"__name__": "up", "n": str(n)}, [(1.0, NOW - ts) for ts in range(0, 5000, 500)]) for n in range(20)
    ]

    def send(turn: int) -> int:
        body = packed(request_v1(*(rows[turn:] + rows[:turn])))
        barrier.wait()
        return int(post(app.test_client(), body).status_code)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(send, range(4))) == [204] * 4
    assert scalar("SELECT count(*) FROM samples") == 200
    assert scalar("SELECT count(*) FROM (SELECT DISTINCT series_id, ts FROM samples) AS one") == 200


def test_a_staleness_marker_ends_a_series(client: FlaskClient):
    post(client, packed(request_v1(({"__name__": "up"}, [(1.0, NOW - 1000)]))))
    post(client, packed(request_v1(({"__name__": "up"}, [(STALE, NOW)]))))
    assert scalar("SELECT encode(float8send(value), 'hex') FROM samples ORDER BY ts DESC LIMIT 1") == (
        f"{STALE_NAN:016x}"
    )
    since = utcnow().replace(year=2000)
    with transaction() as connection:
        assert read.latest(connection, "up", since) == []
        assert [len(one.points) for one in read.recent(connection, "up", since)] == [1]


GOOD = ({"__name__": "good"}, [(1.0, NOW)])
HISTOGRAM = series_v1({"__name__": "native"}, [], field(4, b"\x08\x01"))
TWICE = field(1, field(1, label("__name__", "x")) + field(1, label("a", "b")) * 2 + field(2, sample(1, NOW)))
PARTLY = [
    (request_v1(({"__name__": "bad name"}, [(1.0, NOW)])), "bad_name"),
    (request_v1(({"__name__": "x" * 100_000}, [(1.0, NOW)])), "bad_name"),
    (request_v1(({"job": "nameless"}, [(1.0, NOW)])), "bad_name"),
    (request_v1(({"__name__": "x", "a": "b" * 100_000}, [(1.0, NOW)])), "bad_label_value"),
    (request_v1(({"__name__": "x", "a": "\x00"}, [(1.0, NOW)])), "bad_label_value"),
    (request_v1(({"__name__": "x", **{f"l{n}": "1" for n in range(1000)}}, [(1.0, NOW)])), "too_many_labels"),
    (field(1, field(1, label("a", "b")) * 1_000_000 + field(2, sample(1, NOW))), "series_too_large"),
    (request_v1(({"__name__": "x"}, [(1.0, NOW + 3_600_000)])), "too_new"),
    (request_v1(({"__name__": "x"}, [(1.0, 0)])), "too_old"),
    (request_v1(({"__name__": "x"}, [(1.0, (1 << 63) - 1)])), "too_new"),
    (request_v1(({"__name__": "x"}, [(1.0, -(1 << 63))])), "too_old"),
    (request_v1(({"__name__": "x_total"}, [(-1.0, NOW)])), "negative"),
    (TWICE, "bad_label"),
    (HISTOGRAM, "native_histogram"),
]


def test_what_is_bad_is_rejected_alone_with_its_reason(client: FlaskClient):
    for number, (message, reason) in enumerate(PARTLY):
        answer = post(client, packed(message + request_v1(({"__name__": "good"}, [(1.0, NOW - number)]))))
        assert (answer.status_code, f"({reason}: 1)" in answer.text) == (400, True), answer.text
        assert answer.headers["X-Prometheus-Remote-Write-Samples-Written"] == "1"
        assert scalar("SELECT reason FROM ingest_rejects ORDER BY id DESC LIMIT 1") == reason
    assert (
        scalar("SELECT count(*) FROM samples") == scalar("SELECT count(*) FROM ingest_rejects") == len(PARTLY)
    )
    assert total("watchfleet_ingest_rejected_samples_total", reason="bad_name") == 3


WHOLE = request_v1(GOOD)
HOSTILE = {
    "an empty body": (b"", "not_snappy"),
    "no snappy": (b"hello, this is no snappy", "not_snappy"),
    "cut-off snappy": (packed(WHOLE * 100)[:-9], "not_snappy"),
    "a bomb that says so": (varint(1 << 40) + b"\x00", "too_large"),
    "a bomb that lies": (varint(10) + packed(b"\x00" * 30_000_000)[4:], "not_snappy"),
    "an endless number": (b"\xff" * 100, "not_snappy"),
    "cut-off protobuf": (packed(WHOLE[:-5]), "not_protobuf"),
    "no protobuf": (packed(b"\xff" * 1000), "not_protobuf"),
    "a field that is longer than the message": (packed(b"\x0a\xff\xff\xff\x7f"), "not_protobuf"),
    "a label that is no UTF-8": (packed(field(1, field(1, field(1, b"\xff\xfe")))), "not_protobuf"),
    "a million empty series": (packed(b"\x0a\x00" * 1_000_000), "too_large"),
}


def test_what_cannot_be_read_is_refused_with_a_reason_and_hurts_nothing(client: FlaskClient):
    reasons = []
    for what, (body, reason) in HOSTILE.items():
        answer = post(client, body)
        assert answer.status_code == 400, what
        reasons.append(answer.text.partition(":")[0])
        assert reasons[-1] == reason, what
        assert post(client, packed(WHOLE)).status_code == 204
    assert scalar("SELECT count(*) FROM samples") == 1
    for reason in ("not_snappy", "not_protobuf", "too_large"):
        assert total("watchfleet_remote_write_refused_requests_total", reason=reason) == reasons.count(reason)


def test_symbols_that_are_not_there_are_a_bad_label(client: FlaskClient):
    message = (
        field(4, b"") + field(4, b"__name__") + field(5, field(1, b"\x01\x09") + field(2, sample(1, NOW)))
    )
    answer = post(client, packed(message), V2)
    assert (answer.status_code, "bad_label: 1" in answer.text) == (400, True)


def test_ever_new_label_values_fill_their_metric_and_no_other(client: FlaskClient, environment: Any):
    use_environment(environment, SERIES_LIMIT="50")
    rows = [({"__name__": "wild", "id": str(n)}, [(1.0, NOW)]) for n in range(500)]
    assert post(client, packed(request_v1(*rows))).status_code == 204
    assert post(client, packed(WHOLE)).status_code == 204
    assert scalar("SELECT count(*) FROM series WHERE name = 'wild'") == 51
    assert scalar("SELECT count(*) FROM series WHERE name = 'good'") == 1
    assert total("watchfleet_ingest_overflowed_samples_total") == 450


def test_a_body_that_is_too_large_is_refused(client: FlaskClient):
    assert post(client, bytes(remote_write.LARGEST_BODY + 1)).status_code == 413


def test_another_format_is_told_which_ones_are_read(client: FlaskClient):
    for headers in ({"Content-Type": "application/json"}, {"Content-Encoding": "gzip"}):
        assert post(client, packed(WHOLE), **headers).status_code == 415
    assert post(client, packed(WHOLE), "io.prometheus.write.v3.Request").status_code == 415


def test_metadata_alone_is_fine(client: FlaskClient):
    assert post(client, packed(field(3, b"\x08\x01" + field(2, b"good")))).status_code == 204


def test_who_may_write(client: FlaskClient, environment: Any):
    far = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    sent = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}

    def status(headers: dict[str, str], **more: Any) -> int:
        answer = client.post("/api/v1/write", data=packed(WHOLE), headers={**sent, **headers}, **more)
        return int(answer.status_code)

    assert status({}) == 204
    assert status({}, **far) == 403
    assert status({"X-Forwarded-For": "127.0.0.1"}) == 403
    use_environment(environment, API_TOKEN="a long secret")
    assert status({}) == 401
    assert status({"Authorization": "Bearer wrong"}) == 401
    assert status({"Authorization": "Bearer a long secret"}, **far) == 204


def test_a_store_that_is_away_has_the_sender_try_again(client: FlaskClient, environment: Any):
    use_environment(environment, DATABASE_URL="postgresql://x:y@127.0.0.1:1/none")
    answer = post(client, packed(WHOLE))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_a_lying_length_never_unfolds():
    with pytest.raises(remote_write.RemoteWriteError):
        remote_write.unpack(varint(remote_write.LARGEST_UNPACKED + 1) + b"\x00" * 10)
    assert remote_write.unpack(bytes(cramjam.snappy.compress_raw(b""))) == b""
