"""Inhibition: equal labels, and alerts that match both sides."""

from dataclasses import dataclass, field

from watchfleet.notify.configuration import InhibitRule
from watchfleet.notify.inhibition import inhibiting


@dataclass(frozen=True)
class Firing:
    fingerprint: str
    labels: dict[str, str] = field(default_factory=dict)


def rule(source: str, target: str, *equal: str) -> InhibitRule:
    return InhibitRule.model_validate({
        "source_matchers": [source], "target_matchers": [target], "equal": list(equal)
    })  # fmt: skip


def test_an_alert_is_held_back_while_its_source_fires() -> None:
    rules = [rule("severity=critical", "severity=warning", "cluster")]
    critical = Firing("c", {"severity": "critical", "cluster": "a"})
    assert inhibiting(rules, {"severity": "warning", "cluster": "a"}, [critical]) == ("c",)
    assert inhibiting(rules, {"severity": "warning", "cluster": "b"}, [critical]) == ()
    assert inhibiting(rules, {"severity": "info", "cluster": "a"}, [critical]) == ()
    assert inhibiting(rules, {"severity": "warning", "cluster": "a"}, []) == ()


def test_a_label_that_is_missing_equals_one_that_is_empty() -> None:
    rules = [rule("severity=critical", "severity=warning", "cluster")]
    assert inhibiting(rules, {"severity": "warning"}, [Firing("c", {"severity": "critical"})]) == ("c",)
    bare = Firing("c", {"severity": "critical", "cluster": ""})
    assert inhibiting(rules, {"severity": "warning"}, [bare]) == ("c",)


def test_an_alert_on_both_sides_is_not_held_back_by_another_of_its_kind() -> None:
    rules = [rule("severity=critical", 'severity=~"critical|warning"', "cluster")]
    other = Firing("o", {"severity": "critical", "host": "b"})
    assert inhibiting(rules, {"severity": "critical", "host": "a"}, [other]) == ()
    assert inhibiting(rules, {"severity": "warning", "host": "a"}, [other]) == ("o",)


def test_nor_by_itself_but_by_one_that_is_on_the_source_side_alone() -> None:
    rules = [rule('role=~".+"', "kind=disk")]
    itself = Firing("i", {"role": "db", "kind": "disk"})
    source = Firing("s", {"role": "db"})
    assert inhibiting(rules, dict(itself.labels), [itself]) == ()
    assert inhibiting(rules, dict(itself.labels), [itself, source]) == ("s",)


def test_each_rule_names_its_source() -> None:
    rules = [rule("a=1", "t=1"), rule("b=1", "t=1"), rule("a=1", "t=1")]
    firing = [Firing("x", {"a": "1"}), Firing("y", {"b": "1"})]
    assert inhibiting(rules, {"t": "1"}, firing) == ("x", "y")
