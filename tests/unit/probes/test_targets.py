"""Targets of the configuration: a broken one is reported by file and line, and stops no other."""

from pathlib import Path
from textwrap import dedent

import pytest
from support.target_of import configured

from watchfleet.model import Severity
from watchfleet.probes.http import HttpOptions
from watchfleet.probes.registry import PROBES, kind
from watchfleet.probes.targets import OWN, Targets, load_targets
from watchfleet.redact import redact
from watchfleet.settings import from_file
from watchfleet.yamlfile import Document

STORE = "postgresql://user:password@127.0.0.1/store"
BROKER = "redis://127.0.0.1:6379/0"


def loaded(text: str) -> Targets:
    document = Document.parse(dedent(text), Path("w.yml"))
    return load_targets(from_file(document), document)


def complaints(text: str) -> list[str]:
    return [str(problem) for problem in loaded(text).problems]


def test_the_fleet_s_own_dependencies_are_targets_as_far_as_they_are_known() -> None:
    everywhere = set(configured().by_name)
    assert everywhere == {"disk", "memory"}
    on_redis = set(configured(database_url=STORE, broker_url=BROKER).by_name)
    assert on_redis == set(OWN) - {"broker"}
    on_rabbitmq = set(configured(database_url=STORE, broker_url="amqp://127.0.0.1//").by_name)
    assert on_rabbitmq == set(OWN) - {"redis"}


def test_own_dependencies_are_checked_more_often_and_required() -> None:
    targets = configured({"name": "shop", "kind": "memory"}, broker_url=BROKER, dependency_interval="3s")
    redis, shop = targets.by_name["redis"], targets.by_name["shop"]
    assert (redis.own, redis.required, redis.interval.seconds, redis.timeout.seconds) == (True, True, 3, 3)
    assert (shop.own, shop.required, shop.interval.seconds, shop.timeout.seconds) == (False, False, 15, 5)
    assert targets.by_name["disk"].severity is Severity.WARNING


def test_a_target_of_the_configuration_changes_the_own_one_of_its_name() -> None:
    targets = configured({"name": "disk", "path": "/tmp", "required": True})
    disk = targets.by_name["disk"]
    assert (disk.own, disk.required, str(disk.options.model_dump()["path"])) == (True, True, "/tmp")
    assert not targets.problems


def test_one_broken_target_of_a_thousand_is_named_by_line_and_the_others_run() -> None:
    good = [f"- {{name: t{number}, kind: http, url: 'http://127.0.0.1/'}}" for number in range(999)]
    lines = [*good[:500], "- {name: odd, kind: http, url: 'ftp://127.0.0.1/'}", *good[500:]]
    targets = loaded("targets:\n" + "\n".join(lines))
    assert len(targets.by_name) - len(targets.own()) == 999
    assert [str(problem) for problem in targets.problems] == [
        "w.yml:502: target \"odd\": url: 'ftp://127.0.0.1/': write an address like https://example.org/health"
    ]


@pytest.mark.parametrize(
    ("fields", "line", "complaint"),
    [
        ("kind: http", 2, "url is missing (What to ask for, such as https://example.org/health)"),
        ("kind: htpp", 3, "there is no probe of kind 'htpp' (did you mean http?)"),
        ("url: http://h/", 2, "kind is missing (one of http, tcp"),
        ("kind: memory\n  intervall: 5s", 4, "there is no setting 'intervall' (did you mean interval?)"),
        ("kind: memory\n  interval: 0.5s", 4, "interval: 500ms is not between 1s and 1d"),
        ("kind: memory\n  timeout: 16s", 4, "timeout: 16s is too long (write the interval or less"),
        ("kind: memory\n  interval: never", 4, "interval: 'never' is not a duration; write it like 30s"),
        ("kind: memory\n  labels: {target: y}", 4, "labels.target: the label 'target' is set by the probes"),
        ("kind: memory\n  depends_on: [db, postgress]", 4, "depends_on: there is no target 'db'"),
        (
            "kind: memory\n  depends_on: [disc]",
            4,
            "depends_on: there is no target 'disc' (did you mean disk?)",
        ),
        ("kind: memory\n  depends_on: [x]", 4, "depends_on goes round in a circle: x > x"),
        ("kind: memory\n  interval: 5s\n  retry_interval: 6s", 5, "retry_interval: 6s is not between 1s and"),
        ("kind: memory\n  retries: -1", 4, "retries: -1: "),
        ("kind: memory\n  locations: [EU]", 4, "locations[0]: 'EU' is no place's name"),
        ("kind: memory\n  locations: [eu]\n  quorum: 2", 5, "quorum: 2 is too many"),
        ("kind: memory\n  groups: [Live]", 4, "groups[0]: 'Live' is no group's name"),
        ("kind: memory\n  groups: [ready]", 4, "groups[0]: 'ready' is no group's name"),
        (
            "kind: memory\n  maintenance:\n  - cron: 0 2 * * *",
            5,
            "maintenance[0]: a mapping: a window has either",
        ),
        ("kind: http\n  url: http://h/\n  expected_status: 99", 5, "expected_status[0]: '99' is no HTTP"),
        ("kind: http\n  url: http://h/\n  headers: {a b: c}", 5, "headers.a b: ***: 'a b' is no header's"),
        ("kind: http\n  url: http://h/\n  ca_file: /no/file", 5, "ca_file: '/no/file': Path does not point"),
    ],
)
def test_every_fault_names_its_line_and_its_mend(fields: str, line: int, complaint: str) -> None:
    found = complaints(f"targets:\n- name: x\n  {fields}\n")
    assert len(found) == 1
    assert found[0].startswith(f'w.yml:{line}: target "x": {complaint}')


def test_a_key_that_is_given_twice_is_a_fault_of_its_target_alone() -> None:
    targets = loaded(
        "targets:\n- {name: a, kind: memory, interval: 5s, interval: 6s}\n- {name: b, kind: memory}"
    )
    assert [str(problem) for problem in targets.problems] == [
        "w.yml:2:41: interval is given twice, first on line 2 (keep one of the two)"
    ]
    assert "b" in targets.by_name


def test_a_name_is_taken_once_and_an_own_one_keeps_its_kind() -> None:
    found = complaints(
        """\
        targets:
        - {name: a, kind: memory}
        - {name: a, kind: disk}
        - {name: disk, kind: memory}
        - just text
        - {kind: memory}
        """
    )
    assert [complaint.removeprefix("w.yml:") for complaint in found] == [
        '3: the name "a" is taken',
        '4: target "disk": this name is that of the fleet\'s own disk (choose another)',
        "5: targets[3] is not a mapping (write `- name: ...`, then `kind:` and what that kind needs)",
        "6: targets[4]: name is missing (Unique among all targets)",
    ]


def test_secrets_of_targets_are_redacted_wherever_they_turn_up() -> None:
    configured(
        {
            "name": "shop",
            "kind": "http",
            "url": "http://me:first-secret@127.0.0.1/",
            "password": "second-secret",
            "headers": {"X-Key": "third-secret"},
        }
    )
    assert redact("first-secret second-secret third-secret") == "*** *** ***"


@pytest.mark.parametrize("name", PROBES)
def test_every_kind_loads(name: str) -> None:
    found = kind(name)
    assert callable(found.probe)
    assert found.options.model_fields.keys().isdisjoint({"name", "kind", "interval", "timeout"})
    assert all(field.description for field in found.options.model_fields.values())


def test_options_of_a_target_are_those_of_its_kind() -> None:
    options = configured({"name": "x", "kind": "http", "url": "http://h/"}).by_name["x"].options
    assert isinstance(options, HttpOptions)
    assert options.expected_status == ["2xx"]


def test_targets_that_depend_on_one_another_in_a_circle_are_named_and_the_others_run() -> None:
    targets = loaded(
        """\
        targets:
        - {name: a, kind: memory, depends_on: [c]}
        - {name: b, kind: memory, depends_on: [a]}
        - {name: c, kind: memory, depends_on: [b]}
        - {name: d, kind: memory, depends_on: [a, broken]}
        - {name: broken, kind: nothing}
        """
    )
    complaints = [str(problem) for problem in targets.problems if "circle" in str(problem)]
    assert [complaint.partition(": ")[0] for complaint in complaints] == ["w.yml:2", "w.yml:3", "w.yml:4"]
    assert "circle: a > c > b > a (take one of them out)" in complaints[0]
    assert targets.by_name["d"].depends_on == ("a", "broken")
    assert len(targets.problems) == 4
