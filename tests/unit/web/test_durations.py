"""How long requests took, and which one stands for a bucket."""

import pytest
from flask.testing import FlaskClient
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from watchfleet.instrument.correlation import flask
from watchfleet.web import create_app
from watchfleet.web.monitor import Health, Monitor

NAME = "watchfleet_http_request_duration_seconds"
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


class Unknown(Monitor):
    """A monitor that knows nothing."""

    def health(self) -> Health | None:
        return None


@pytest.fixture
def client() -> FlaskClient:
    app = create_app(Unknown())
    flask.install(app)
    return app.test_client()


def shown(client: FlaskClient) -> list[Sample]:
    text = client.get("/metrics", headers=OPENMETRICS).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return families[NAME].samples


def test_a_bucket_has_the_ids_of_a_request_as_its_exemplar(client: FlaskClient) -> None:
    client.get("/health/live", headers={"X-Request-ID": "order-4711"})
    with TracerProvider(shutdown_on_exit=False).get_tracer("t").start_as_current_span("s") as span:
        client.get("/nowhere", headers={"X-Request-ID": "x" * 128})
    trace_id = f"{span.get_span_context().trace_id:032x}"
    found = {
        sample.labels["route"]: sample.exemplar.labels
        for sample in shown(client)
        if sample.exemplar and sample.labels["route"] != "/metrics"
    }
    assert found == {"/health/live": {"correlation_id": "order-4711"}, "unmatched": {"trace_id": trace_id}}


def test_the_older_text_format_has_none(client: FlaskClient) -> None:
    client.get("/health/live", headers={"X-Request-ID": "order-4711"})
    text = client.get("/metrics", headers={"Accept": "text/plain"}).text
    assert f'{NAME}_count{{method="GET",route="/health/live",status="200"}} 1.0' in text
    assert "order-4711" not in text


def test_what_callers_make_up_makes_no_series(client: FlaskClient) -> None:
    for number in range(20):
        client.open(f"/{number}", method=f"MADE{number}")
    counts = [sample.labels for sample in shown(client) if sample.name == f"{NAME}_count"]
    assert counts == [{"method": "other", "route": "unmatched", "status": "404"}]
