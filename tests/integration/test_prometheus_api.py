"""Prometheus's HTTP API: shapes and errors as there, and promtool works on it."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert
from support.servers import use_environment
from werkzeug.serving import make_server

from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.db.tables import alert
from watchfleet.metrics import ingest, rollups
from watchfleet.model import Kind, Sample
from watchfleet.web import create_app

NOW = utcnow().replace(microsecond=500_000)
AT = NOW.timestamp()
RFC3339 = NOW.isoformat().replace("+00:00", "Z")


@pytest.fixture
def client(environment: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    """Ten minutes of two series every half minute; a third one that ended hours ago."""
    some = [
        sample
        for ago in range(21)
        for job in ("api", "db")
        for sample in (
            Sample("up", {"job": job, "instance": "1"}, Kind.GAUGE, AT - 30 * ago, float(job == "api")),
            Sample("requests_total", {"job": job}, Kind.COUNTER, AT - 30 * ago, 600.0 - 30 * ago),
        )
    ]
    some += [Sample("old", {"job": "gone", "shop": "x"}, Kind.EVENT, AT - 7 * 3600, 1.0)]
    with transaction() as connection:
        written = ingest.write_samples(connection, "b1", some, NOW)
    assert written.rejected == 0
    with create_app().test_client() as client:
        yield client


def get(client: FlaskClient, path: str, **parameters: Any) -> Any:
    """The data of an answer, the same by GET and by a form where both are offered."""
    given = {name.replace("match", "match[]"): value for name, value in parameters.items()}
    answer = client.get(f"/api/v1/{path}", query_string=given)
    assert answer.status_code == 200, answer.text
    assert answer.json["status"] == "success"
    if path in {"query", "query_range", "series", "labels", "format_query"}:
        assert client.post(f"/api/v1/{path}", data=given).json == answer.json
    return answer.json["data"]


def failing(client: FlaskClient, path: str, **parameters: Any) -> tuple[int, str, str]:
    answer = client.get(f"/api/v1/{path}", query_string=parameters)
    assert answer.json["status"] == "error"
    return answer.status_code, answer.json["errorType"], answer.json["error"]


def test_instant_queries(client: FlaskClient) -> None:
    labels = {"__name__": "up", "job": "api", "instance": "1"}
    for at in (AT, RFC3339, NOW.astimezone(UTC).isoformat()):
        assert get(client, "query", query='up{job="api"}', time=at) == {
            "resultType": "vector",
            "result": [{"metric": labels, "value": [AT, "1"]}],
        }
    assert get(client, "query", query="1/0", time=5) == {"resultType": "scalar", "result": [5, "+Inf"]}
    assert get(client, "query", query="'a'", time=5) == {"resultType": "string", "result": [5, "a"]}
    found = get(client, "query", query='up{job="db"}[1m]', time=AT)
    assert found["resultType"] == "matrix"
    assert found["result"][0]["values"] == [[AT - 30, "0"], [AT, "0"]]
    now = client.get("/api/v1/query", query_string={"query": "up", "lookback_delta": "1h"}).json["data"][
        "result"
    ]
    assert len(now) == 2
    assert get(client, "query", query="up", time=AT + 60, lookback_delta="10s")["result"] == []


def test_range_queries(client: FlaskClient) -> None:
    found = get(client, "query_range", query="sum(up)", start=AT - 60, end=RFC3339, step="30s")
    assert found == {
        "resultType": "matrix",
        "result": [{"metric": {}, "values": [[AT - 60, "1"], [AT - 30, "1"], [AT, "1"]]}],
    }
    same = get(client, "query_range", query="sum(up)", start=AT - 60, end=AT, step="30")
    assert same == found


def test_notes_and_limits(client: FlaskClient) -> None:
    answer = client.get("/api/v1/query", query_string={"query": "rate(up[5m])", "time": AT, "limit": 1})
    assert len(answer.json["data"]["result"]) == 1
    assert answer.json["warnings"] == ["results truncated due to limit"]
    assert "might not be a counter" in answer.json["infos"][0]
    assert (
        "warnings"
        not in client.get("/api/v1/query", query_string={"query": "up", "lookback_delta": "1h"}).json
    )


def test_what_is_in_the_store(client: FlaskClient) -> None:
    old = {"__name__": "old", "job": "gone", "shop": "x"}
    assert get(client, "series", match='{job="gone"}') == [old]
    assert len(get(client, "series", match=['{job="gone"}', "up", 'up{job="api"}'])) == 3
    assert get(client, "labels") == ["__name__", "instance", "job", "shop"]
    assert get(client, "labels", match="up") == ["__name__", "instance", "job"]
    assert get(client, "label/job/values") == ["api", "db", "gone"]
    assert get(client, "label/job/values", match="up", limit=1) == ["api"]
    assert get(client, "label/__name__/values") == ["old", "requests_total", "up"]
    assert get(client, "label/nothing/values") == get(client, "label/job\x00/values") == []
    assert get(client, "series", match='{"a\\x00"="x"}') == []
    meanings = get(client, "metadata")
    assert {name: meaning["type"] for name, (meaning,) in meanings.items()} == {
        "old": "unknown",
        "requests_total": "counter",
        "up": "gauge",
    }
    assert list(get(client, "metadata", metric="up")) == ["up"]


def test_what_had_samples_in_a_span(client: FlaskClient) -> None:
    recent = {"start": AT - 3600, "end": AT}
    assert get(client, "label/job/values", **recent) == ["api", "db"]
    assert get(client, "labels", **recent) == ["__name__", "instance", "job"]
    assert get(client, "label/job/values", start=AT - 86_400, end=AT - 6 * 3600) == []  # not rolled up yet
    rollups.drain(get_engine(), NOW + timedelta(hours=2))
    assert get(client, "label/job/values", start=AT - 86_400, end=AT - 6 * 3600) == ["gone"]
    assert get(client, "label/job/values", start=AT - 86_400) == ["api", "db", "gone"]
    older = [Sample("old", {"job": "older"}, Kind.EVENT, AT - 5 * 86_400, 1.0)]
    with transaction() as connection:
        ingest.write_samples(connection, "b2", older, NOW)
    rollups.drain(get_engine(), NOW + timedelta(hours=2))
    assert get(client, "label/job/values", start=AT - 3.5 * 86_400) == ["api", "db", "gone"]
    assert get(client, "label/job/values", start=AT - 40 * 86_400) == ["api", "db", "gone", "older"]
    assert get(client, "label/job/values", end=AT - 30 * 86_400) == []


def test_alerts_and_rules(client: FlaskClient) -> None:
    assert get(client, "alerts") == {"alerts": []}
    labels = {"alertname": "DependencyDown", "target": "shop", "severity": "critical"}
    with transaction() as connection:
        row = {
            "rule": "builtin/fleet.yml;fleet;DependencyDown",
            "severity": "critical",
            "labels": labels,
            "evaluated_at": NOW,
        }
        row |= {"annotations": {"summary": "shop is down"}, "active_at": NOW, "value": 0.0}
        for state in ("firing", "resolved"):
            connection.execute(insert(alert).values(**row, fingerprint=state, state=state))
    (one,) = get(client, "alerts")["alerts"]
    assert one["labels"] == labels
    assert (one["state"], one["activeAt"], float(one["value"])) == ("firing", RFC3339, 0)
    rules = {rule["name"]: rule for group in get(client, "rules")["groups"] for rule in group["rules"]}
    assert rules["DependencyDown"]["state"] == "firing"
    assert rules["DependencyDown"]["alerts"] == [one]
    assert get(client, "rules", type="record") == {"groups": []}


def test_about_itself(client: FlaskClient) -> None:
    assert get(client, "status/buildinfo")["application"] == "watchfleet"
    assert get(client, "format_query", query="sum(up)by(job)") == "sum by (job) (up)"


@pytest.mark.parametrize(
    ("path", "parameters", "cause"),
    [
        ("query", {"query": "up +"}, 'invalid parameter "query": 1:5: parse error: unexpected end of input'),
        ("query", {"query": "up", "time": "x"}, 'invalid parameter "time": cannot parse "x" to a valid'),
        ("query", {"query": "up", "timeout": "x"}, 'invalid parameter "timeout": cannot parse'),
        ("query", {"query": "up", "limit": "-1"}, 'invalid parameter "limit": cannot parse'),
        ("query_range", {"query": "up", "start": 2, "end": 1, "step": 1}, "end timestamp must not be before"),
        ("query_range", {"query": "up", "start": 1, "end": 2, "step": 0}, "zero or negative query resol"),
        ("query_range", {"query": "up", "start": 1, "end": 2, "step": -1}, "zero or negative query resol"),
        ("query_range", {"query": "up", "start": 1, "end": 2}, 'invalid parameter "step"'),
        ("query_range", {"query": "up", "end": 2, "step": 1}, 'invalid parameter "start"'),
        ("query_range", {"query": "up", "start": 0, "end": 1e6, "step": 1}, "exceeded maximum resolution"),
        ("query_range", {"query": "up[5m]", "start": 1, "end": 2, "step": 1}, "invalid expression type"),
        ("series", {}, "no match[] parameter provided"),
        ("series", {"match[]": "up["}, 'invalid parameter "match[]": 1:'),
        ("labels", {"match[]": "1"}, "is no series selector"),
        ("labels", {"start": 2, "end": 1}, "end timestamp must not be before"),
        ("label/job/values", {"start": "nan"}, 'invalid parameter "start"'),
        ("format_query", {"query": "("}, "parse error"),
    ],
)
def test_bad_requests(path: str, parameters: dict[str, Any], cause: str) -> None:
    status, kind, error = failing(create_app().test_client(), path, **parameters)
    assert (status, kind) == (400, "bad_data")
    assert cause in error


def test_what_cannot_be_evaluated(client: FlaskClient) -> None:
    status, kind, error = failing(client, "query", query="up * on () requests_total", time=AT)
    assert (status, kind) == (422, "execution")
    assert "many-to-many" in error
    assert failing(client, "query", query="up", time=AT, timeout="0s")[:2] == (503, "timeout")
    for far in ("-1e300", "1e300", "9" * 400, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert get(client, "query", query="up", time=far)["result"] == []
        get(client, "labels", start=far)
    get(client, "labels", start="0001-01-01T00:00:00Z", end="9999-12-31T23:59:59.999999999Z")


def test_who_may_ask(client: FlaskClient, environment: pytest.MonkeyPatch) -> None:
    use_environment(environment, API_TOKEN="a-token-of-some-length")
    paths = (
        "query?query=1",
        "labels",
        "alerts",
        "rules",
        "status/buildinfo",
        "metadata",
        "series?match[]=up",
    )
    for path in paths:
        assert client.get(f"/api/v1/{path}").status_code == 401
        headers = {"Authorization": "Bearer a-token-of-some-length"}
        assert client.get(f"/api/v1/{path}", headers=headers).status_code == 200


def test_the_store_is_away(environment: pytest.MonkeyPatch) -> None:
    use_environment(environment, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert failing(create_app().test_client(), "labels")[:2] == (503, "unavailable")


@pytest.fixture
def server(client: FlaskClient) -> Iterator[str]:
    web = make_server("127.0.0.1", 0, client.application, threaded=True)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{web.port}"
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


def promtool(*arguments: str) -> str:
    done = subprocess.run(
        ["promtool", "query", *arguments], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's promtool is not installed")
def test_promtool_asks(server: str) -> None:
    found = json.loads(promtool("instant", "--format=json", f"--time={AT}", server, "sum by (job) (up)"))
    assert sorted((one["metric"]["job"], one["value"][1]) for one in found) == [("api", "1"), ("db", "0")]
    span = (f"--start={AT - 60}", f"--end={AT}", "--step=30s")
    (found,) = json.loads(promtool("range", "--format=json", *span, server, 'up{job="api"}'))
    assert [value for _, value in found["values"]] == ["1", "1", "1"]
    listed = promtool("series", "--match=up", f"--start={int(AT) - 3600}", f"--end={int(AT) + 1}", server)
    assert listed.count('{__name__="up"') == 2
    rollups.drain(get_engine(), NOW + timedelta(hours=2))
    assert promtool("labels", server, "job").split() == ["api", "db", "gone"]
    assert datetime.fromtimestamp(AT, UTC) == NOW
