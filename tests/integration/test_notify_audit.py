"""An alert's whole life read back, also of one that nobody was told about; by command line and by API."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from sqlalchemy import update
from support.policies import policy_for

from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.db.tables import outbox
from watchfleet.model import Receipt
from watchfleet.notify import outbox as rows
from watchfleet.notify import outcomes, pipeline, retry
from watchfleet.notify.incoming import Alert, named
from watchfleet.notify.policy import get_policy, receivers
from watchfleet.settings import get_settings
from watchfleet.web import create_app

pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture
def client() -> FlaskClient:
    return create_app().test_client()


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def lines(*words: str) -> list[Any]:
    said = run(*words, "--json")
    assert said.exit_code == 0, said.output
    return [json.loads(line) for line in said.stdout.splitlines()]


def news(*, over: bool = False, **labels: str) -> str:
    found, name = named({"alertname": "Down", **labels})
    now = utcnow()
    alert = Alert(name, found, {"summary": "it is down"}, now, now if over else None, now)
    with transaction() as connection:
        pipeline.submit(connection, policy_for(["log"]), [alert], now)
    return name


def deliver(outcome: retry.Outcome) -> None:
    known = receivers(get_settings())
    with transaction() as connection:
        (claimed,) = rows.claim(connection, "log", known, utcnow()).claims
        outcomes.record(connection, [(claimed, outcome)], known, utcnow())


def test_who_was_told_when_on_which_try_and_with_which_answer(client: FlaskClient) -> None:
    name = news(host="h1")
    deliver(retry.delivered(Receipt("200 OK, thanks")))
    news(host="h1", over=True)
    deliver(retry.Outcome("dead", "http_404", detail="gone"))
    found = client.get(f"/api/alerts/{name}").json
    assert found is not None
    assert [
        (one["status"], one["state"], one["reason"], one["attempts"]) for one in found["notifications"]
    ] == [
        ("firing", "sent", "delivered", 1),
        ("resolved", "dead", "http_404", 1),
    ]
    told, dead = found["notifications"]
    assert (told["answer"], told["destination"], dead["last_error"]) == (
        "200 OK, thanks",
        "default/log[0]",
        "gone",
    )
    assert lines("notifications", "list", "--alert", name) == [dead, told]
    assert lines("notifications", "list", "--state", "dead") == [dead]
    page = client.get("/api/notifications", query_string={"before": dead["id"], "limit": 5}).json
    assert page == {"notifications": [told]}
    shown = run("notifications", "show", told["delivery_id"])
    assert "200 OK, thanks" in shown.stdout
    whole = run("alerts", "show", name)
    assert "it is down" in whole.stdout
    assert "http_404: gone" in whole.stdout


def test_what_was_given_up_is_tried_again(client: FlaskClient) -> None:
    news(host="h1")
    deliver(retry.Outcome("dead", "http_404"))
    (dead,) = lines("notifications", "list")
    assert run("notifications", "replay", str(dead["id"])).exit_code == 0
    assert run("notifications", "replay", str(dead["id"])).exit_code == 1
    deliver(retry.delivered(Receipt("200 OK")))
    assert client.post(f"/api/notifications/{dead['id']}/replay").status_code == 404
    with transaction() as connection:
        connection.execute(update(outbox).values(state="dead"))
    assert client.post(f"/api/notifications/{dead['id']}/replay").json == {"replayed": 1}
    assert run("notifications", "replay", "--all-dead").stdout == "0 will be tried again\n"
    assert run("notifications", "replay").exit_code == 2


def test_the_life_of_an_alert_that_nobody_was_told_about(client: FlaskClient) -> None:
    made = run("silences", "add", "host=h1", "--until", "2h", "--comment", "works", "--author", "anna")
    silence = made.stdout.strip()
    name = news(host="h1")
    (alert,) = lines("alerts", "list")
    assert alert["silenced_by"] == [silence]
    assert silence in run("alerts", "list").stdout
    news(host="h1", over=True)
    found = client.get(f"/api/alerts/{name}").json
    assert found is not None
    assert [(one["status"], one["state"], one["reason"]) for one in found["notifications"]] == [
        ("firing", "suppressed", f"silenced:{silence}"),
        ("resolved", "suppressed", f"silenced:{silence}"),
    ]
    assert found["alert"]["ends_at"] is not None
    assert silence in run("alerts", "show", name).stdout


def test_silences_on_the_command_line(client: FlaskClient) -> None:
    until = ("--until", "2h", "--comment", "x")
    first = run("silences", "add", "a=b", 'c=~"d|e"', *until).stdout.strip()
    nightly = run("silences", "add", "a=b", *until, "--times", "02:00-04:00", "--location", "Europe/Berlin")
    assert nightly.exit_code == 0
    assert [one["matchers"] for one in lines("silences", "list")] == [['a="b"', 'c=~"d|e"'], ['a="b"']]
    listed = client.get("/api/silences").json
    assert listed is not None
    assert listed["silences"][1]["intervals"][0]["location"] == "Europe/Berlin"
    assert run("silences", "expire", first).exit_code == 0
    again = run("silences", "expire", first)
    assert (again.exit_code, "already expired" in again.stderr) == (1, True)
    assert len(lines("silences", "list")) == 1
    assert len(lines("silences", "list", "--expired")) == 2
    for words in (
        ("a",),
        ("a=b", "--times", "25:00-26:00"),
        ("a=b", "--location", "x", "--weekdays", "monday"),
    ):
        assert run("silences", "add", *words, *until).exit_code == 2
    assert run("silences", "add", "a=", *until).exit_code == 1


def test_acknowledgements_by_command_line_and_api(client: FlaskClient) -> None:
    name = news(host="h1")
    assert run("alerts", "ack", name, "--comment", "on it", "--author", "anna").exit_code == 0
    (alert,) = lines("alerts", "list", "host=h1")
    assert (alert["acknowledged"]["created_by"], alert["acknowledged"]["comment"]) == ("anna", "on it")
    assert "acknowledged by anna" in run("alerts", "list").stdout
    assert run("alerts", "unack", name, "--author", "bob").exit_code == 0
    assert run("alerts", "unack", name).exit_code == 1
    path = f"/api/alerts/{name}/acknowledgement"
    body = {"by": "carl", "comment": "mine", "until": "2050-01-01T00:00:00Z"}
    assert client.post(path, json=body).json["expires_at"] == "2050-01-01T00:00:00+00:00"  # type: ignore[index] # JSON
    assert client.delete(path).status_code == 200
    assert client.delete(path).status_code == 404
    for wrong in ({"by": ""}, {"by": "x", "until": "2020-01-01T00:00:00Z"}, []):
        assert client.post(path, json=wrong).status_code == 400
    found = client.get(f"/api/alerts/{name}").json
    assert found is not None
    assert [one["created_by"] for one in found["acknowledgements"]] == ["anna", "carl"]
    assert found["acknowledgements"][0]["ended_by"] == "withdrawn by bob"
    assert run("alerts", "ack", "0123456789abcdef", "--comment", "x").exit_code == 1


def test_what_is_not_there_is_said(client: FlaskClient) -> None:
    assert client.get("/api/alerts/0123456789abcdef").status_code == 404
    assert client.get("/api/notifications/17").status_code == 404
    assert client.get("/api/notifications?limit=x").status_code == 400
    assert client.get("/api/alerts?filter=(").status_code == 400
    assert run("alerts", "show", "0123456789abcdef").exit_code == 1
    assert run("notifications", "show", "17").exit_code == 1
    assert get_policy().loaded is None
