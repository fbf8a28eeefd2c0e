"""Requests are counted by route, and what a caller makes up never becomes a label."""

import pytest
from flask import Flask

from watchfleet.instrument import flask
from watchfleet.instrument.client import Client
from watchfleet.model import Kind


@pytest.fixture
def app() -> Flask:
    app = Flask("shop")

    @app.get("/items/<int:number>")
    def item(number: int) -> str:
        return str(1 // number)

    flask.install(app)
    flask.install(app)
    return app


def counted(client: Client) -> dict[tuple[str, str, str], float]:
    client.buffer.settle({})
    return {
        (row.labels["method"], row.labels["route"], row.labels["status"]): row.value
        for row in client.buffer.cut(99).samples
        if row.kind is Kind.EVENT
    }


def test_requests_are_counted_by_method_route_and_status(client: Client, app: Flask) -> None:
    browser = app.test_client()
    for path in ("/items/1", "/items/2", "/items/0", "/nowhere", "/elsewhere"):
        browser.get(path)
    browser.post("/items/1")
    assert counted(client) == {
        ("GET", "/items/<int:number>", "200"): 2,
        ("GET", "/items/<int:number>", "500"): 1,
        ("GET", "unmatched", "404"): 2,
        ("POST", "unmatched", "405"): 1,
    }


def test_each_request_has_a_duration(client: Client, app: Flask) -> None:
    app.test_client().get("/items/1")
    durations = [row for row in client.buffer.cut(9).samples if row.name == "http_request_duration_seconds"]
    assert [(row.labels, row.kind) for row in durations] == [
        ({"service": "app", "method": "GET", "route": "/items/<int:number>"}, Kind.DURATION)
    ]
    assert 0 < durations[0].value < 10


def test_a_made_up_method_is_no_label(client: Client, app: Flask) -> None:
    for method in ("HACK1", "HACK2"):
        app.test_client().open("/items/1", method=method)
    assert counted(client) == {("other", "unmatched", "405"): 2}


def test_another_application_is_left_alone(client: Client, app: Flask) -> None:
    Flask("other").test_client().get("/")
    assert client.buffer.empty()
