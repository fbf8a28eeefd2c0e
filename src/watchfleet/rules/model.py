"""What a rule file says: groups of alerting and recording rules, and our additions to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from watchfleet.promql import Expression
from watchfleet.rules.parameters import Parameter

DEFAULT_INTERVAL: Final = timedelta(minutes=1)
"""Prometheus's own `evaluation_interval`, for groups that name none."""


class RuleKind(StrEnum):
    """What comes of a rule; also the key that gives its name."""

    ALERT = "alert"
    RECORD = "record"


class Missing(StrEnum):
    """What becomes of an alerting rule that finds no data, or whose query fails, as Grafana names it."""

    ALERT = "alert"
    """An alert of its own tells it: `DatasourceNoData` or `DatasourceError`."""
    ALERTING = "alerting"
    OK = "ok"
    KEEP = "keep_last_state"


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands: a file, and line and column from 1."""

    path: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class ParameterOptions:
    """What `params` says of a parameter that the expression marks.

    Attributes:
        value: Takes the place of what stands in the expression; None leaves that.
        env: The environment's variable that sets it.
        description: What it means, for people.
    """

    value: str | None = None
    env: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What stands under `x-watchfleet`; None is what the fleet does by default.

    Attributes:
        enabled: Whether the rule is evaluated.
        params: What is said of the expression's parameters, by name.
        channels: Where its notifications go instead of where the routes would send them.
        dedup_window: A notification like one that went out within this time is not sent.
        no_data: What it means that its selectors match no series.
        on_error: What it means that its query fails.
        resolve_threshold: While an alert fires, the threshold that its value must come back over.
        pending_threshold: An alert whose value is over this one alone is pending.
        on_data: Whether new samples have it evaluated at once, beside its interval.
    """

    enabled: bool = True
    params: Mapping[str, ParameterOptions] = field(default_factory=dict)
    channels: tuple[str, ...] | None = None
    dedup_window: timedelta | None = None
    no_data: Missing | None = None
    on_error: Missing | None = None
    resolve_threshold: float | None = None
    pending_threshold: float | None = None
    on_data: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        kind: Alerting or recording.
        name: The alert's name, or the metric that is recorded.
        expr: What is evaluated; its text as the file has it, comments with parameters included.
        at: Where it begins in its file.
        hold: Its `for`: how long it must be true before it fires.
        keep_firing: Its `keep_firing_for`: how long it fires on after it was true last.
        labels: Its labels over its group's, as templates; those of a recording rule are plain text.
        annotations: Templates.
        options: What is ours.
        parameters: The literals in `expr` that have names; `parameters.bind` gives them other values.
    """

    kind: RuleKind
    name: str
    expr: Expression
    at: Position
    hold: timedelta = timedelta(0)
    keep_firing: timedelta = timedelta(0)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    options: RuleOptions = field(default_factory=RuleOptions)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated in turn, at the same instant.

    Attributes:
        name: Unique in its file.
        file: The file.
        rules: In their order.
        interval: From one evaluation to the next; None is the fleet's `DEFAULT_INTERVAL`.
        limit: How many alerts or series a rule may give; 0 is any number.
        query_offset: How far back its queries look; None is not at all.
        labels: Of all its rules; they stand in those of each rule already.
    """

    name: str
    file: Path
    rules: tuple[Rule, ...]
    interval: timedelta | None = None
    limit: int = 0
    query_offset: timedelta | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A file of rules: those of its groups and rules that are sound."""

    path: Path
    groups: tuple[Group, ...] = ()
