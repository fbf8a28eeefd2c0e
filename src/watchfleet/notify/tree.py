"""The routing tree: which nodes an alert comes to, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from watchfleet.notify.configuration import ALL, DEFAULTS, EscalationStep, FlapDamping, Route
from watchfleet.notify.matchers import Matcher, format_matchers, matches
from watchfleet.promql.format import quote

_INHERITED: Final = (
    "receiver",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "escalation",
    "flap_damping",
    "dedup_window",
)
_OURS: Final = {"escalation": (), "flap_damping": None, "dedup_window": timedelta(0)}


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree, with everything that it takes from above.

    Attributes:
        key: Names it: the matchers on the way to it, as in Alertmanager's group keys.
        receiver: Who is told.
        group_by: The labels by which alerts are grouped; None for all of them.
        group_wait: How long a new group waits.
        group_interval: Time between two looks at a group; 0: it is looked at whenever an alert changes.
        repeat_interval: When what still fires is told again.
        matchers: Which alerts come here.
        continues: Whether the nodes after it are tried as well.
        mute_times: Names of the times when nothing is told.
        active_times: Names of the only times when anything is told; empty for always.
        escalation: Who else is told of what nobody has acknowledged.
        flap_damping: When to hold back what comes and goes.
        dedup_window: How long an alert that fires again is not told again.
        channels: Only these of the receiver's channels; None for all of them.
        children: The nodes below.
    """

    key: str
    receiver: str
    group_by: tuple[str, ...] | None
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta
    matchers: tuple[Matcher, ...] = ()
    continues: bool = False
    mute_times: tuple[str, ...] = ()
    active_times: tuple[str, ...] = ()
    escalation: tuple[EscalationStep, ...] = ()
    flap_damping: FlapDamping | None = None
    dedup_window: timedelta = timedelta(0)
    channels: tuple[str, ...] | None = None
    children: tuple["Node", ...] = ()

    def match(self, labels: Mapping[str, str]) -> "tuple[Node, ...]":
        """The nodes that an alert comes to.

        Of the children the first that matches, and further ones as long as each continues; this node itself
        when no child matches.
        """
        if not matches(self.matchers, labels):
            return ()
        found: tuple[Node, ...] = ()
        for child in self.children:
            below = child.match(labels)
            found += below
            if below and not child.continues:
                break
        return found or (self,)

    def group_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """What an alert's group has in common; a label that the alert lacks is left out."""
        if self.group_by is None:
            return dict(sorted(labels.items()))
        return {name: labels[name] for name in sorted(self.group_by) if name in labels}

    def group_key(self, group_labels: Mapping[str, str]) -> str:
        """The group's name, as Alertmanager has it: `{}/{team="web"}:{alertname="Down"}`."""
        inside = ", ".join(f"{name}={quote(value)}" for name, value in group_labels.items())
        return f"{self.key}:{{{inside}}}"

    def walk(self, depth: int = 0) -> "Iterator[tuple[int, Node]]":
        """This node and those below, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


@dataclass(frozen=True, slots=True)
class Step:
    """A node that an alert was held against on its way.

    Attributes:
        depth: How deep it is in the tree.
        node: The node.
        refused_by: The first matcher that the alert does not fulfil; None if it fulfils all.
        taken: Whether the alert ends here.
    """

    depth: int
    node: Node
    refused_by: Matcher | None
    taken: bool


def explain(node: Node, labels: Mapping[str, str], depth: int = 0) -> list[Step]:
    """Every node that an alert is held against, in order, and what came of it."""
    refused = next((one for one in node.matchers if not one.matches(labels.get(one.name, ""))), None)
    if refused is not None:
        return [Step(depth, node, refused, taken=False)]
    below: list[Step] = []
    for child in node.children:
        steps = explain(child, labels, depth + 1)
        below += steps
        if steps[0].refused_by is None and not child.continues:
            break
    taken = not any(step.taken for step in below)
    return [Step(depth, node, None, taken), *below]


def compile_tree(root: Route) -> Node:
    """The tree of a configuration that has been checked."""
    inherited: dict[str, Any] = {**DEFAULTS, **_OURS}
    return _compile(root, inherited, "", {})


def _compile(route: Route, above: Mapping[str, Any], parent: str, taken: dict[str, int]) -> Node:
    own = {name: value for name in _INHERITED if (value := getattr(route, name)) is not None}
    settings = {**above, **own}
    key = f"{parent}/{format_matchers(route.all_matchers)}" if parent else "{}"
    count = taken[key] = taken.get(key, 0) + 1
    if count > 1:  # another node with the same matchers: its groups are its own
        key = f"{key}/{count}"
    children = tuple(_compile(child, settings, key, taken) for child in route.routes)
    group_by = settings["group_by"]
    return Node(
        key=key,
        matchers=route.all_matchers,
        continues=route.continue_,
        mute_times=route.mute_time_intervals,
        active_times=route.active_time_intervals,
        children=children,
        **{**settings, "group_by": None if ALL in group_by else tuple(group_by)},
    )
