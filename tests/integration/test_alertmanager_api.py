"""Alertmanager's HTTP API: shapes and errors as there, and who may write."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from support.servers import use_environment

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.db.tables import notify_alert, outbox
from watchfleet.web import create_app

CONFIG = """
route: {receiver: a, group_by: [alertname], group_wait: 0s, routes: [{matchers: [sev=x], receiver: b}]}
receivers: [{name: a, log_configs: [{}]}, {name: b, webhook_configs: [{url: 'http://127.0.0.1:9/a-secret'}]}]
inhibit_rules: [{source_matchers: [sev=critical], target_matchers: [sev=warning], equal: [host]}]
"""


@pytest.fixture
def client(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FlaskClient]:
    (tmp_path / "am.yml").write_text(CONFIG)
    use_environment(environment, NOTIFY_CONFIG=str(tmp_path / "am.yml"))
    with create_app().test_client() as client:
        yield client


def get(client: FlaskClient, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v2/{path}", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def post(client: FlaskClient, path: str, body: Any) -> tuple[int, Any]:
    answer = client.post(f"/api/v2/{path}", json=body)
    return answer.status_code, answer.json if answer.data else None


def fire(client: FlaskClient, **labels: str) -> None:
    assert post(client, "alerts", [{"labels": {"alertname": "Down", **labels}}]) == (200, None)


def hours(number: float) -> str:
    return (utcnow() + timedelta(hours=number)).isoformat()


def silence(**changes: Any) -> dict[str, Any]:
    matcher = {"name": "host", "value": "h1", "isRegex": False, "isEqual": True}
    times = {"startsAt": hours(0), "endsAt": hours(1)}
    return {"matchers": [matcher], **times, "createdBy": "anna", "comment": "works", **changes}


def test_an_alert_comes_in_is_shown_and_is_told(client: FlaskClient) -> None:
    fire(client, host="h1", empty="")
    (alert,) = get(client, "alerts")
    assert alert["labels"] == {"alertname": "Down", "host": "h1"}
    assert alert["receivers"] == [{"name": "a"}]
    assert alert["status"] == {"state": "active", "silencedBy": [], "inhibitedBy": []}
    lasts = datetime.fromisoformat(alert["endsAt"]) - datetime.fromisoformat(alert["startsAt"])
    assert lasts == timedelta(minutes=5)
    assert set(alert) == {
        "annotations", "endsAt", "fingerprint", "generatorURL", "labels", "receivers", "startsAt", "status",
        "updatedAt",
    }  # fmt: skip
    (group,) = get(client, "alerts/groups")
    assert (group["labels"], group["receiver"]) == ({"alertname": "Down"}, {"name": "a"})
    assert [one["fingerprint"] for one in group["alerts"]] == [alert["fingerprint"]]
    with transaction() as connection:
        assert connection.scalar(select(outbox.c.fingerprints)) == [alert["fingerprint"]]


def test_an_alert_with_an_end_in_the_past_is_over(client: FlaskClient) -> None:
    fire(client, host="h1")
    body = [{"labels": {"alertname": "Down", "host": "h1"}, "endsAt": hours(-0.001), "startsAt": hours(-1)}]
    assert post(client, "alerts", body)[0] == 200
    assert get(client, "alerts") == []


def test_what_is_not_valid_is_told_and_the_others_are_in(client: FlaskClient) -> None:
    body = [
        {"labels": {"alertname": "Good"}},
        {"labels": {"alertname": ""}},
        {"labels": {"alertname": "Late"}, "startsAt": hours(1), "endsAt": hours(0)},
        {"labels": {"alertname": 5}},
        {"labels": {"alertname": "When"}, "startsAt": "noon"},
        "nonsense",
    ]
    code, said = post(client, "alerts", body)
    assert code == 400
    for number, why in enumerate(
        ["at least one label", "start time must be", "mapping of texts", "no time"], 1
    ):
        assert f"alert {number}: " in said
        assert why in said
    assert [one["labels"]["alertname"] for one in get(client, "alerts")] == ["Good"]


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b'{"a": 1}', b"null"])
def test_a_body_that_is_none_is_refused(client: FlaskClient, body: bytes) -> None:
    for path in ("alerts", "silences"):
        answer = client.post(f"/api/v2/{path}", data=body, content_type="application/json")
        assert answer.status_code == 400
    assert client.post("/api/v2/alerts", data=b"[]", content_type="text/plain").status_code == 400


def test_filters(client: FlaskClient) -> None:
    for labels in ({"host": "h1", "sev": "critical"}, {"host": "h1", "sev": "warning"}, {"sev": "x"}):
        fire(client, **labels)
    post(client, "silences", silence(matchers=[{"name": "sev", "value": "x", "isRegex": False}]))

    def found(**query: Any) -> list[str]:
        return sorted(one["labels"]["sev"] for one in get(client, "alerts", **query))

    assert found() == ["critical", "warning", "x"]
    assert found(filter=["host=h1", "sev!=warning"]) == ["critical"]
    assert found(filter='sev=~"x|w.*"') == ["warning", "x"]
    assert found(receiver="b") == ["x"]
    assert found(silenced="false") == ["critical", "warning"]
    assert found(inhibited="false") == ["critical", "x"]
    assert found(active="false") == ["warning", "x"]
    assert [group["receiver"]["name"] for group in get(client, "alerts/groups", receiver="a")] == ["a"]
    for query in ({"filter": "("}, {"receiver": "("}, {"active": "perhaps"}):
        assert client.get("/api/v2/alerts", query_string=query).status_code == 400


def test_silences_are_made_changed_and_ended(client: FlaskClient) -> None:
    code, made = post(client, "silences", silence())
    assert code == 200
    name = made["silenceID"]
    shown = get(client, f"silence/{name}")
    assert (shown["status"], shown["createdBy"]) == ({"state": "active"}, "anna")
    # The end and the comment may change, and it is the same; other matchers make another one.
    longer = {**shown, "endsAt": hours(5), "comment": "more works"}
    assert post(client, "silences", longer) == (200, {"silenceID": name})
    matcher = {"name": "host", "value": "h2", "isRegex": False, "isEqual": True}
    code, other = post(client, "silences", {**longer, "matchers": [matcher]})
    assert other["silenceID"] != name
    assert get(client, f"silence/{name}")["status"] == {"state": "expired"}
    pending = post(client, "silences", silence(startsAt=hours(1), endsAt=hours(2)))[1]["silenceID"]
    assert [one["id"] for one in get(client, "silences")] == [other["silenceID"], pending, name]
    assert [one["id"] for one in get(client, "silences", filter="host=h2")] == [other["silenceID"]]
    assert client.delete(f"/api/v2/silence/{pending}").status_code == 200
    assert client.delete(f"/api/v2/silence/{pending}").status_code == 500
    assert client.delete("/api/v2/silence/nonsense").status_code == 404


@pytest.mark.parametrize(
    ("changes", "code", "why"),
    [
        ({"matchers": []}, 400, "at least one matcher required"),
        (
            {"matchers": [{"name": "a", "value": ".*", "isRegex": True}]},
            400,
            "must not match the empty string",
        ),
        ({"matchers": [{"name": "a", "value": "(", "isRegex": True}]}, 400, "invalid matcher"),
        ({"matchers": [{"name": "", "value": "b", "isRegex": False}]}, 400, "needs a label's name"),
        ({"endsAt": "2020-01-01T00:00:00Z", "startsAt": "2019-01-01T00:00:00Z"}, 400, "in the past"),
        (
            {"startsAt": "2031-01-01T00:00:00Z", "endsAt": "2030-01-01T00:00:00Z"},
            400,
            "start time must be before",
        ),
        ({"createdBy": None}, 400, "createdBy is required"),
        ({"id": "00000000-0000-0000-0000-000000000001"}, 404, "there is no silence"),
        ({"id": "x"}, 400, "no silence's id"),
    ],
)
def test_a_silence_that_cannot_be(client: FlaskClient, changes: dict[str, Any], code: int, why: str) -> None:
    found = post(client, "silences", silence(**changes))
    assert found[0] == code
    assert why in found[1]


def test_the_status_has_no_secret(client: FlaskClient) -> None:
    found = get(client, "status")
    assert found["cluster"] == {"status": "disabled", "peers": []}
    assert "a-secret" not in json.dumps(found)
    assert get(client, "receivers") == [{"name": "a"}, {"name": "b"}, {"name": "default"}]


def test_who_may_write(client: FlaskClient) -> None:
    away = {"REMOTE_ADDR": "10.0.0.1"}
    assert client.post("/api/v2/alerts", json=[], environ_overrides=away).status_code == 403
    with pytest.MonkeyPatch.context() as patch:
        use_environment(patch, API_TOKEN="a-token-of-some-length")
        for path, method in (
            ("alerts", "post"),
            ("silences", "post"),
            ("silence/x", "delete"),
            ("alerts", "get"),
        ):
            assert getattr(client, method)(f"/api/v2/{path}", json=[]).status_code == 401
        bearer = {"Authorization": "Bearer a-token-of-some-length"}
        assert (
            client.post("/api/v2/alerts", json=[], headers=bearer, environ_overrides=away).status_code == 200
        )
        assert (
            client.post("/api/v2/alerts", json=[], auth=("me", "a-token-of-some-length")).status_code == 200
        )
        assert client.post("/api/v2/alerts", json=[], auth=("me", "wrong")).status_code == 401


def test_many_who_post_the_same_at_once_make_one_alert(client: FlaskClient) -> None:
    # One after the other: werkzeug compiles routes with `ast`, which two threads of CPython 3.11 may not.
    apps = [create_app() for _ in range(6)]
    ready = threading.Barrier(len(apps))

    def race(app: Flask) -> None:
        ready.wait()
        with app.test_client() as own:
            fire(own, host="h1")
            fire(own, host="h2")

    threads = [threading.Thread(target=race, args=(app,)) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transaction() as connection:
        assert connection.scalar(select(func.count()).select_from(notify_alert)) == 2
        told = [len(names) for names in connection.scalars(select(outbox.c.fingerprints))]
    assert len(told) == 1  # the group's first notification; the next is due in five minutes
