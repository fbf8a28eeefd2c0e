"""A policy in Alertmanager's own format, for its clients: what that knows, and no secret."""

from typing import Any

import yaml

from watchfleet.clock import format_duration
from watchfleet.notify.configuration import ALL, GROUP_INTERVAL, InhibitRule
from watchfleet.notify.intervals import WEEKDAYS, NamedIntervals, TimeInterval
from watchfleet.notify.policy import Policy
from watchfleet.notify.tree import Node


def alertmanager_configuration(policy: Policy) -> str:
    """The routing tree, inhibition and times as YAML that Alertmanager and amtool read.

    Receivers have their names alone: how they are told is nobody's business who asks by HTTP, and of our own
    channels Alertmanager knows nothing.
    """
    found: dict[str, Any] = {
        "global": {"resolve_timeout": format_duration(policy.resolve_timeout)},
        "route": _route(policy.tree, root=True),
        "receivers": [{"name": name} for name in sorted(policy.receivers)],
    }
    if policy.inhibit_rules:
        found["inhibit_rules"] = [_rule(rule) for rule in policy.inhibit_rules]
    if policy.intervals:
        found["time_intervals"] = [_interval(each) for each in policy.intervals.values()]
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True)


def _route(node: Node, *, root: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {
        "receiver": node.receiver,
        "group_by": [ALL] if node.group_by is None else list(node.group_by),
        "group_wait": format_duration(node.group_wait),
        "group_interval": format_duration(node.group_interval or GROUP_INTERVAL),
        "repeat_interval": format_duration(node.repeat_interval),
    }
    if not root:
        found |= {"matchers": [str(one) for one in node.matchers], "continue": node.continues}
    lists = {
        "mute_time_intervals": list(node.mute_times),
        "active_time_intervals": list(node.active_times),
        "routes": [_route(child) for child in node.children],
    }
    return found | {name: values for name, values in lists.items() if values}


def _rule(rule: InhibitRule) -> dict[str, Any]:
    return {
        "source_matchers": [str(one) for one in rule.sources],
        "target_matchers": [str(one) for one in rule.targets],
        "equal": list(rule.equal),
    }


def _interval(named: NamedIntervals) -> dict[str, Any]:
    return {"name": named.name, "time_intervals": [_part(part) for part in named.time_intervals]}


def _part(part: TimeInterval) -> dict[str, Any]:
    found: dict[str, Any] = {
        "times": [
            {"start_time": _clock(each.start_time), "end_time": _clock(each.end_time)} for each in part.times
        ],
        "weekdays": [f"{WEEKDAYS[begin]}:{WEEKDAYS[end]}" for begin, end in part.weekdays],
        **{
            name: [f"{begin}:{end}" for begin, end in getattr(part, name)]
            for name in ("days_of_month", "months", "years")
        },
        "location": part.location.key if part.location else "Local",
    }
    return {name: value for name, value in found.items() if value}


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
