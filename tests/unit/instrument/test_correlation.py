"""The id in a Flask application, in outgoing requests, on log records, and in structlog."""

import json
import logging
from io import StringIO

import pytest
import requests
import structlog
from flask import Flask, abort
from support.web_server import serving

from watchfleet import correlation
from watchfleet.instrument.correlation import flask
from watchfleet.instrument.correlation import logging as ids
from watchfleet.instrument.correlation import requests as outgoing
from watchfleet.instrument.flask_apps import watch


@pytest.fixture
def app() -> Flask:
    found = Flask("shop")
    found.before_request(lambda: None)
    found.get("/", endpoint="id")(lambda: correlation.current() or "")
    found.get("/refused", endpoint="refused")(lambda: abort(403))
    found.get("/broken", endpoint="broken")(lambda: 1 / 0)
    flask.install(found)
    flask.install(found)
    return found


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-ID": "a.b-C_1"}, "a.b-C_1"),
        ({"X-Correlation-ID": "c"}, "c"),
        ({"X-Request-ID": "a", "X-Correlation-ID": "c"}, "a"),
        ({"X-Request-ID": "no good", "X-Correlation-ID": "c"}, "c"),
    ],
)
def test_a_valid_id_is_kept_and_told(app: Flask, headers: dict[str, str], expected: str) -> None:
    response = app.test_client().get("/", headers=headers)
    assert response.text == expected
    assert response.headers["X-Request-ID"] == response.headers["X-Correlation-ID"] == expected
    assert correlation.current() is None


@pytest.mark.parametrize("given", ["", "\x1b[31m", "x" * 129, "<script>", None])
def test_otherwise_one_is_made(app: Flask, given: str | None) -> None:
    client = app.test_client()
    made = [client.get("/", headers={"X-Request-ID": given} if given else {}).text for _ in range(2)]
    assert all(len(one) == 32 for one in made)
    assert made[0] != made[1]


@pytest.mark.parametrize(("path", "status"), [("/refused", 403), ("/broken", 500), ("/nowhere", 404)])
def test_answers_of_errors_tell_it_too(app: Flask, path: str, status: int) -> None:
    response = app.test_client().get(path, headers={"X-Request-ID": "a"})
    assert (response.status_code, response.headers["X-Request-ID"]) == (status, "a")
    assert correlation.current() is None


def test_an_application_that_nobody_named_is_met_once_before_its_first_request() -> None:
    met: list[Flask] = []
    watch(met.append)
    watch(met.append)
    app = Flask("unnamed")
    assert app.test_client().get("/").status_code == 404
    assert app.test_client().get("/").status_code == 404
    assert met == [app]


def test_outgoing_requests_carry_the_id_unless_the_host_set_one() -> None:
    outgoing.install()
    outgoing.install()
    with serving() as other:
        requests.get(other.url("/status/200"), timeout=5)
        with correlation.bound("abc"):
            requests.get(other.url("/status/200"), timeout=5)
            requests.get(other.url("/status/200"), timeout=5, headers={"x-correlation-id": "mine"})
    assert [headers.get("x-request-id") for _, _, headers, _ in other.requests] == [None, "abc", None]


@pytest.fixture
def logger() -> logging.Logger:
    found = logging.getLogger("tests.own")
    found.setLevel(logging.INFO)
    found.handlers.clear()
    found.addHandler(logging.StreamHandler(StringIO()))
    found.handlers[0].setFormatter(logging.Formatter("%(correlation_id)s|%(trace_id)s|%(message)s"))
    return found


def written(logger: logging.Logger) -> list[str]:
    (handler,) = logger.handlers
    assert isinstance(handler, logging.StreamHandler)
    return str(handler.stream.getvalue()).splitlines()


@pytest.mark.parametrize("way", ["every record", "a filter"])
def test_a_record_has_the_ids_and_keeps_the_hosts_own(logger: logging.Logger, way: str) -> None:
    """A factory of records would refuse what a host passes as `extra` under one of these names."""
    if way == "a filter":
        logger.handlers[0].addFilter(ids.CorrelationFilter())
    else:
        ids.install()
        ids.install()
    logger.info("before")
    with correlation.bound("abc"):
        logger.info("within")
        logger.info("own", extra={"correlation_id": "mine", "trace_id": "theirs"})
    assert written(logger) == ["||before", "abc||within", "mine|theirs|own"]


def test_structlog_gets_what_there_is() -> None:
    stream = StringIO()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(stream), [ids.structlog_processor, structlog.processors.JSONRenderer()]
    )
    logger.info("before")
    with correlation.bound("abc"):
        logger.info("within", correlation_id="mine")
        logger.info("within")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("correlation_id") for line in lines] == [None, "mine", "abc"]
    assert "trace_id" not in lines[0]
