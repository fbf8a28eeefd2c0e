"""Which rules `/api/v1/rules` answers with, by each filter that Prometheus has."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert
from support.servers import use_environment

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.db.tables import alert
from watchfleet.rules.library import get_library
from watchfleet.web import create_app

SHOP = """
groups:
  - name: shop
    rules:
      - alert: High
        expr: load > 5
        labels: {team: shop, severity: critical}
      - record: load:max
        expr: max(load)
  - name: stock
    rules:
      - alert: Low
        expr: stock < 5
        labels: {team: stock}
"""
OTHER = """
groups:
  - name: shop
    rules:
      - alert: High
        expr: other > 5
        labels: {team: others}
"""


@pytest.fixture
def files(environment: pytest.MonkeyPatch, tmp_path: Path) -> tuple[str, str]:
    shop, other = tmp_path / "shop.yml", tmp_path / "other.yml"
    shop.write_text(SHOP)
    other.write_text(OTHER)
    use_environment(environment, RULE_FILES=f"{shop},{other}")
    return str(shop), str(other)


@pytest.fixture
def client(files: tuple[str, str]) -> FlaskClient:
    return create_app().test_client()


def found(client: FlaskClient, **parameters: Any) -> set[tuple[str, str]]:
    """The expressions of the rules that are found, without the built-in ones, each with its group."""
    groups = [group for group in listed(client, **parameters) if "builtin" not in group["file"]]
    return {(group["name"], rule["query"]) for group in groups for rule in group["rules"]}


def listed(client: FlaskClient, **parameters: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/rules", query_string=named(parameters))
    assert answer.status_code == 200, answer.text
    return list(answer.json["data"]["groups"])


def named(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`match_` stands for `match[]`, and so on."""
    return {re.sub("_$", "[]", name): value for name, value in parameters.items()}


HIGH, MAX, LOW, OTHERS = (
    ("shop", "load > 5"),
    ("shop", "max(load)"),
    ("stock", "stock < 5"),
    ("shop", "other > 5"),
)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {HIGH, MAX, LOW, OTHERS}),
        ({"type": "alert"}, {HIGH, LOW, OTHERS}),
        ({"type": "record"}, {MAX}),
        ({"rule_name_": "High"}, {HIGH, OTHERS}),
        ({"rule_name_": ["High", "load:max"]}, {HIGH, MAX, OTHERS}),
        ({"rule_name_": "Hihg"}, set()),
        ({"rule_group_": "stock"}, {LOW}),
        ({"match_": '{team=~"s.*"}'}, {HIGH, LOW}),
        ({"match_": '{team="shop",severity="info"}'}, set()),
        ({"match_": ['{team="others"}', '{team="stock"}']}, {LOW, OTHERS}),
        ({"match_": '{team=~".+"}'}, {HIGH, LOW, OTHERS}),
        ({"type": "alert", "rule_group_": "shop", "match_": '{team=~"shop|stock"}'}, {HIGH}),
    ],
)
def test_rules_are_found_by_kind_name_group_and_labels(
    client: FlaskClient, asked: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert found(client, **asked) == expected


def test_rules_are_found_by_file(client: FlaskClient, files: tuple[str, str]) -> None:
    assert found(client, file_=files[1]) == {OTHERS}
    assert found(client, file_=files, type="record") == {MAX}
    assert found(client, file_="nowhere.yml") == set()


def test_alerts_are_left_out_on_demand(client: FlaskClient) -> None:
    rules = [rule for group in get_library().prepared({}) for rule in group.rules]
    low = next(rule.key for rule in rules if rule.rule.name == "Low")
    row = {"rule": low, "fingerprint": "f", "state": "firing", "severity": "none"}
    row |= {"labels": {"alertname": "Low"}, "annotations": {}, "value": 2.0}
    with transaction() as connection:
        connection.execute(insert(alert).values(**row, active_at=utcnow(), evaluated_at=utcnow()))
    (((with_it,),), ((without,),)) = (
        [group["rules"] for group in listed(client, rule_group_="stock", **asked)]
        for asked in ({}, {"exclude_alerts": "true"})
    )
    assert [one["labels"] for one in with_it["alerts"]] == [{"alertname": "Low"}]
    assert (without["state"], without["alerts"]) == ("firing", [])


@pytest.mark.parametrize("asked", [{"type": "x"}, {"match_": "load["}, {"exclude_alerts": "maybe"}])
def test_a_filter_that_is_none_is_refused(client: FlaskClient, asked: dict[str, str]) -> None:
    answer = client.get("/api/v1/rules", query_string=named(asked))
    assert answer.json is not None
    assert (answer.status_code, answer.json["errorType"]) == (400, "bad_data")
    assert next(iter(named(asked))) in answer.json["error"]
