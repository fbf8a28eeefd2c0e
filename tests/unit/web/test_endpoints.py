"""The endpoints without any server: what they say, to whom, and what may be cached."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from support.servers import forget_environment, use_environment

from watchfleet.clock import utcnow
from watchfleet.model import Measurement, Status
from watchfleet.probes.health import Check
from watchfleet.web import create_app
from watchfleet.web.health import EXTENSION, health
from watchfleet.web.monitor import Health, Monitor

TOKEN = "token-of-the-test"


class Fixed(Monitor):
    """A monitor that knows what the test tells it."""

    def __init__(self, **checks: Check | None) -> None:
        super().__init__()
        self.checks = checks

    def health(self) -> Health | None:
        return Health(self.checks, utcnow().timestamp()) if self.checks else None


def check(status: Status = Status.UP, reason: str = "", **fields: object) -> Check:
    made = Check(status, reason, 0.012, utcnow().timestamp(), "", 5.0, required=True, kind="postgres")
    return replace(made, **fields)


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_environment(monkeypatch, API_TOKEN=TOKEN)
    yield
    forget_environment()


def client(**checks: Check | None) -> FlaskClient:
    return create_app(Fixed(**checks)).test_client()


def test_live_needs_nothing_and_is_never_cached() -> None:
    answer = client().get("/health/live")
    assert (answer.status_code, answer.get_json(force=True)) == (200, {"status": "pass"})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("fields", "age", "status"),
    [
        ({}, 0, 200),
        ({"status": Status.DEGRADED, "reason": "slow"}, 0, 200),
        ({"status": Status.DOWN, "reason": "timeout"}, 0, 503),
        ({"status": Status.DOWN, "reason": "timeout", "required": False}, 0, 200),
        ({}, 60, 503),
        ({"required": False}, 60, 200),
    ],
)
def test_ready_is_503_when_a_required_dependency_is_not_known_to_serve(
    fields: dict[str, object], age: float, status: int
) -> None:
    found = check(checked_at=utcnow().timestamp() - age, **fields)
    answer = client(postgres=found, disk=check(required=False)).get("/health/ready")
    assert answer.status_code == status
    assert answer.mimetype == "application/health+json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_required_dependency_that_was_never_checked_is_not_ready() -> None:
    assert client(postgres=None, redis=check()).get("/health/ready").status_code == 503


def test_nothing_known_is_not_ready() -> None:
    assert client().get("/health/ready").status_code == 503
    assert client().get("/health").status_code == 503


def test_the_anonymous_see_the_status_and_nothing_else() -> None:
    answer = client(postgres=check(Status.DEGRADED, "slow", detail="took 3 s")).get("/health")
    assert answer.status_code == 200
    assert answer.get_json(force=True) == {"status": "warn"}
    assert answer.headers["Cache-Control"] == "max-age=5"
    assert "Authorization" in answer.headers["Vary"]


def test_the_token_shows_each_check_with_its_age() -> None:
    found = client(postgres=check(Status.DOWN, "connection_refused", detail="nobody listens"), redis=None)
    answer = found.get("/health", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 503
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.get_json(force=True)
    component = body["checks"]["postgres:responseTime"][0]
    assert component["time"].endswith("+00:00")
    assert component | {"time": ""} == {
        "componentId": "postgres",
        "componentType": "postgres",
        "status": "fail",
        "observedValue": 0.012,
        "observedUnit": "s",
        "time": "",
        "output": "connection_refused: nobody listens",
    }
    assert body["checks"]["redis:responseTime"][0]["output"] == "not_checked_yet"
    assert TOKEN not in answer.text


@pytest.mark.parametrize("authorization", ["Bearer wrong", "Bearer wröng"])
def test_a_wrong_token_is_refused(authorization: str) -> None:
    answer = client(postgres=check()).get("/health", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["Basic dTpw", "nonsense", ""])
def test_what_is_no_token_is_anonymous(authorization: str) -> None:
    answer = client(postgres=check()).get("/health", headers={"Authorization": authorization})
    assert (answer.status_code, answer.get_json(force=True)) == (200, {"status": "pass"})


def test_without_a_token_in_the_settings_nobody_sees_details(monkeypatch: pytest.MonkeyPatch) -> None:
    use_environment(monkeypatch, API_TOKEN="")
    answer = client(postgres=check()).get("/health", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.get_json(force=True) == {"status": "pass"}


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics", "/"])
def test_head_and_wrong_methods(path: str) -> None:
    found = client(postgres=check())
    head = found.head(path)
    assert (head.status_code, head.data) == (200, b"")
    assert found.post(path).status_code == 405
    assert found.get(path).headers["X-Content-Type-Options"] == "nosniff"


def test_metrics_show_the_last_result_of_each_target() -> None:
    values = (
        Measurement("celery_queue_length", 3.0, {"queue": "watchfleet.probes"}),
        Measurement("celery_worker_up", 1.0, {"hostname": 'odd"name\\'}),
    )
    answer = client(
        queues=check(values=values),
        shop=check(Status.DOWN, "timeout"),
        odd=check(Status.UNKNOWN, "probe_error"),
        old=check(checked_at=utcnow().timestamp() - 31),
    ).get("/metrics")
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["probe_success", ("kind", "postgres"), ("target", "queues")] == 1
    assert found["probe_success", ("kind", "postgres"), ("target", "shop")] == 0
    assert ("probe_success", ("kind", "postgres"), ("target", "odd")) not in found
    assert not any(("target", "old") in key for key in found)
    assert found["celery_queue_length", ("queue_name", "watchfleet.probes"), ("target", "queues")] == 3
    assert found["celery_worker_up", ("hostname", 'odd"name\\'), ("target", "queues")] == 1
    assert found["watchfleet_ready",] == 0
    assert found["watchfleet_store_up",] == 0
    assert answer.headers["Cache-Control"] == "no-store"


def test_metrics_speak_openmetrics_to_who_asks_for_it() -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = client(postgres=check()).get("/metrics", headers=accept)
    assert answer.content_type.startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert client().get("/metrics").content_type.startswith("text/plain")


def test_the_page_links_to_everything() -> None:
    page = client().get("/")
    assert all(f'href="{path}"' in page.text for path in ("/health", "/health/ready", "/metrics"))
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_another_application_mounts_the_blueprint() -> None:
    app = Flask("another")
    app.extensions[EXTENSION] = Fixed(postgres=check())
    app.register_blueprint(health, url_prefix="/internal")
    assert app.test_client().get("/internal/health/ready").status_code == 200
