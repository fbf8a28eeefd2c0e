"""The routing tree: which nodes an alert comes to, and what its group is called."""

import json
import subprocess
from pathlib import Path
from random import Random
from shutil import which
from typing import Any

import pytest
import yaml
from support.policies import configured

from watchfleet.notify.tree import explain

TREE = """
route:
  receiver: a
  group_by: [alertname]
  routes:
    - matchers: [severity="critical"]
      receiver: b
      continue: true
    - matchers: [team=~"web|shop"]
      group_by: ['...']
      group_wait: 1s
      routes:
        - match: {env: test}
          receiver: c
RECEIVERS
"""


def told(**labels: str) -> list[str]:
    return [node.receiver for node in configured(TREE).nodes(labels, None)]


def test_the_first_child_that_matches_and_further_ones_only_after_continue() -> None:
    assert told() == ["a"]
    assert told(severity="critical") == ["b"]
    assert told(team="web") == ["a"]
    assert told(severity="critical", team="shop") == ["b", "a"]
    assert told(team="web", env="test") == ["c"]
    assert told(team="webs", env="test") == ["a"]


def test_children_inherit_and_the_group_is_named_as_alertmanager_does() -> None:
    (node,) = configured(TREE).nodes({"team": "web", "env": "test", "alertname": "Down"}, None)
    assert node.group_wait.total_seconds() == 1
    labels = node.group_labels({"team": "web", "env": "test"})
    assert node.group_key(labels) == '{}/{team=~"web|shop"}/{env="test"}:{env="test", team="web"}'
    (root,) = configured(TREE).nodes({"alertname": "Down"}, None)
    assert root.group_key(root.group_labels({"alertname": "Down", "x": "y"})) == '{}:{alertname="Down"}'
    assert root.group_labels({"x": "y"}) == {}


def test_nodes_with_the_same_matchers_have_groups_of_their_own() -> None:
    policy = configured("""
        route:
          receiver: a
          routes:
            - {matchers: [x=y], receiver: b, continue: true}
            - {matchers: [x=y], receiver: c}
        RECEIVERS
    """)
    assert len({node.key for node in policy.nodes({"x": "y"}, None)}) == 2


def test_why_an_alert_goes_where_it_goes() -> None:
    steps = explain(configured(TREE).tree, {"severity": "critical", "team": "web"})
    assert [(step.node.receiver, step.taken, str(step.refused_by or "")) for step in steps] == [
        ("a", False, ""),
        ("b", True, ""),
        ("a", True, ""),
        ("c", False, 'env="test"'),
    ]


def random_tree(random: Random, depth: int = 0) -> dict[str, Any]:
    node: dict[str, Any] = {"receiver": random.choice("abc")}
    if depth:
        operator, value = random.choice(["=", "!=", "=~", "!~"]), random.choice(["1", "2", "1|2", ".*", ""])
        node["matchers"] = [f'{random.choice("xyz")}{operator}"{value}"']
        node["continue"] = random.random() < 0.4
    if depth < 3:
        node["routes"] = [random_tree(random, depth + 1) for _ in range(random.randrange(4))]
    return node


@pytest.mark.skipif(not which("amtool"), reason="amtool is not installed")
def test_amtool_takes_the_same_routes(tmp_path: Path) -> None:
    random, file = Random(5), tmp_path / "alertmanager.yml"
    for _ in range(12):
        tree = random_tree(random)
        document = {"route": tree, "receivers": [{"name": name} for name in "abc"]}
        file.write_text(yaml.safe_dump(document))
        policy = configured(json.dumps({"route": tree, "receivers": document["receivers"]}))
        for _ in range(4):
            labels = {name: random.choice("12") for name in "xyz" if random.random() < 0.7} or {"q": "q"}
            words = [f"{name}={value}" for name, value in labels.items()]
            said = subprocess.run(
                ["amtool", "config", "routes", "test", f"--config.file={file}", *words],
                capture_output=True,
                text=True,
                check=True,
            )
            ours = ",".join(node.receiver for node in policy.nodes(labels, None))
            assert said.stdout.strip() == ours, (tree, labels)
