"""The blueprint of `/api/v1/write`: where a Prometheus, an agent or a collector pushes its samples.

What the answers mean is the specification's: 204 all is in, 400 the same request would never be better, 429
and 5xx try again. A request with samples that are rejected gets a 400, and the others are in all the same.
"""

import logging
from threading import BoundedSemaphore
from typing import Final
from uuid import uuid4

from flask import Blueprint, Response, request
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from watchfleet.clock import utcnow
from watchfleet.db.engine import is_outage, transaction
from watchfleet.errors import StoreUnavailableError
from watchfleet.metrics import ingest, kinds, remote_write
from watchfleet.metrics.batches import Written
from watchfleet.metrics.counters import Tally
from watchfleet.metrics.rejects import Rejects
from watchfleet.metrics.remote_write import V1, V2, RemoteWriteError
from watchfleet.redact import redact
from watchfleet.rules.bell import Ringer
from watchfleet.web.access import refusal

logger = logging.getLogger(__name__)

AT_ONCE: Final = 4
"""Requests that are worked on at the same time: each may unfold to many times its size."""
PATIENCE: Final = 10.0
RETRY_AFTER: Final = "5"

receiver = Blueprint("remote_write", __name__)
_ringer: Final = Ringer(lambda _: None)  # a flag: beat's next tick sees it, as no broker is at hand here
_working = BoundedSemaphore(AT_ONCE)


@receiver.post("/api/v1/write")
def write() -> Response:
    """Take the samples of one request."""
    refused = refusal()
    if refused is not None:
        return refused
    version = _version()
    if version is None:
        return _answer(415, f"send application/x-protobuf of {V1} or {V2}, packed by snappy")
    request.max_content_length = remote_write.LARGEST_BODY
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        return _answer(413, f"the body has more than {remote_write.LARGEST_BODY} bytes")
    except ClientDisconnected:
        return _answer(400, "the body is cut off")
    if not _working.acquire(timeout=PATIENCE):
        return _later(429, "too many requests at once")
    try:
        return _take(body, version)
    finally:
        _working.release()


def _version() -> str | None:
    """The message that the request says it holds; None if it is none that is read here."""
    if request.headers.get("Content-Encoding", "snappy").lower() != "snappy":
        return None
    if request.mimetype != "application/x-protobuf":
        return None
    proto = request.mimetype_params.get("proto", V1)
    return proto if proto in {V1, V2} else None


def _take(body: bytes, version: str) -> Response:
    try:
        brought = remote_write.decode(remote_write.unpack(body), version)
    except RemoteWriteError as error:
        _count_refused(error.reason)
        return _answer(400, str(error))
    try:
        with transaction() as connection:
            written = store(connection, brought)
        _ringer.arrived((name, labels) for name, labels, _ in brought.series)
    except (StoreUnavailableError, NoConnectionError) as error:
        return _away(error)
    except DBAPIError as error:
        if is_outage(error):
            return _away(error)
        raise
    return _outcome(written, brought)


def store(connection: Connection, brought: remote_write.Request) -> Written:
    """Store what a request brought: each sample once, however often it is sent."""
    now, batch = utcnow(), f"remote-write:{uuid4().hex}"
    rejects, tally = Rejects(), Tally()
    for reason, times in brought.refused.items():
        tally.add("watchfleet_ingest_rejected_samples_total", times, {"reason": reason})
    for reason, example in brought.examples:
        rejects.keep(reason, example)
    rejects.save(connection, batch)
    tally.save(connection)
    if not brought.series:
        return Written()
    settled = kinds.settle(connection, {(name, kind) for name, _, kind in brought.series})
    return ingest.write_decoded(connection, batch, brought.decoded(settled), now, dedupe=True)


def _count_refused(reason: str) -> None:
    """Count a request that could not be read, if the store takes it."""
    tally = Tally()
    tally.add("watchfleet_remote_write_refused_requests_total", labels={"reason": reason})
    try:
        with transaction() as connection:
            tally.save(connection)
    except (StoreUnavailableError, NoConnectionError, DBAPIError) as error:
        logger.warning("a refused request is not counted: %s", redact(str(error)))


def _outcome(written: Written, brought: remote_write.Request) -> Response:
    reasons = brought.refused + type(brought.refused)(written.reasons)
    if reasons:
        listed = ", ".join(f"{reason}: {times}" for reason, times in sorted(reasons.items()))
        answer = _answer(400, f"{reasons.total()} of {brought.sent} samples are rejected ({listed})")
    else:
        answer = _answer(204, "")
    answer.headers["X-Prometheus-Remote-Write-Samples-Written"] = str(written.accepted + written.repeated)
    answer.headers["X-Prometheus-Remote-Write-Histograms-Written"] = "0"
    answer.headers["X-Prometheus-Remote-Write-Exemplars-Written"] = "0"
    return answer


def _away(error: Exception) -> Response:
    logger.warning("remote write: the store is away: %s", redact(str(error)))
    return _later(503, "the store is away")


def _later(status: int, text: str) -> Response:
    answer = _answer(status, text)
    answer.headers["Retry-After"] = RETRY_AFTER
    return answer


def _answer(status: int, text: str) -> Response:
    return Response(f"{text}\n" if text else b"", status, mimetype="text/plain")
