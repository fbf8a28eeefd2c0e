"""What may stand in a notification configuration: Alertmanager's format, and our additions to it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from watchfleet.clock import Duration, Period, parse_duration
from watchfleet.notify import matchers as matching
from watchfleet.notify.intervals import NamedIntervals
from watchfleet.notify.matchers import Matcher

ALL: Final = "..."
"""In `group_by`: every label, so that each alert is a group of its own."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _matchers(value: object) -> object:
    """A list of texts, each of which may hold several matchers."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError("matchers are a list of texts, such as ['severity=\"critical\"']")
    return tuple(matcher for text in value for matcher in matching.parse(text))


def _equals(value: object) -> object:
    return tuple(matching.matcher(name, "=", text) for name, text in _texts(value))


def _patterns(value: object) -> object:
    return tuple(matching.matcher(name, "=~", text) for name, text in _texts(value))


def _texts(value: object) -> Iterable[tuple[str, str]]:
    if not isinstance(value, dict):
        # pydantic takes no TypeError.
        raise ValueError("write a mapping, such as {severity: critical}")  # noqa: TRY004 - see above
    return [(str(name), str(text)) for name, text in value.items()]


Matchers = Annotated[tuple[Matcher, ...], BeforeValidator(_matchers)]
Equals = Annotated[tuple[Matcher, ...], BeforeValidator(_equals)]
Patterns = Annotated[tuple[Matcher, ...], BeforeValidator(_patterns)]


def _group_by(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for name in names or ():
        if names and names.count(name) > 1:
            raise ValueError(f"{name!r} is given twice")
    if names and ALL in names and len(names) > 1:
        raise ValueError("'...' already stands for every label; leave the others out")
    return names


class EscalationStep(_Strict):
    """Who else is told of an alert that nobody has acknowledged."""

    after: Period = Field(description="How long after the first notification, such as 15m.")
    receivers: tuple[str, ...] = Field(min_length=1, description="Who is told then.")


class FlapDamping(_Strict):
    """When an alert that comes and goes is not told of any more, until it is quiet."""

    changes: int = Field(6, ge=2, description="An alert flaps that changes its state this often ...")
    within: Period = Field(parse_duration("30m"), description="... within this time.")
    quiet: Period = Field(
        parse_duration("10m"), description="It has stopped when its state has not changed for this long."
    )


class Route(_Strict):
    """A node of the routing tree; what it does not set it takes from the node above."""

    receiver: str | None = Field(None, description="Who is told.")
    group_by: Annotated[tuple[str, ...] | None, AfterValidator(_group_by)] = Field(
        None, description="Labels by which alerts are grouped; ['...'] for each alert on its own."
    )
    group_wait: Duration | None = Field(None, description="Wait before a new group's first notification.")
    group_interval: Period | None = Field(None, description="Time between two looks at a group.")
    repeat_interval: Period | None = Field(None, description="When what still fires is told again.")
    matchers: Matchers = Field((), description="Which alerts come here.")
    match: Equals = Field((), description="Deprecated: labels and their values.")
    match_re: Patterns = Field((), description="Deprecated: labels and their patterns.")
    continue_: bool = Field(
        default=False, alias="continue", description="Whether the nodes after this one are tried as well."
    )
    mute_time_intervals: tuple[str, ...] = Field((), description="When nothing is told.")
    active_time_intervals: tuple[str, ...] = Field((), description="The only times when anything is told.")
    routes: tuple["Route", ...] = Field((), description="Nodes below.")
    escalation: tuple[EscalationStep, ...] | None = Field(
        None, description="Ours: who else is told of what nobody has acknowledged."
    )
    flap_damping: FlapDamping | None = Field(None, description="Ours: when to hold back what comes and goes.")
    dedup_window: Duration | None = Field(
        None, description="Ours: an alert that fires again is not told again for this long."
    )

    @property
    def all_matchers(self) -> tuple[Matcher, ...]:
        """The matchers of all three forms, in Alertmanager's order: by name."""
        return _sorted((*self.match, *self.match_re, *self.matchers))

    def walk(
        self, location: tuple[str | int, ...] = ("route",)
    ) -> "Iterator[tuple[Route, tuple[str | int, ...]]]":
        """This node and all below it, each with its place in the file."""
        yield self, location
        for index, route in enumerate(self.routes):
            yield from route.walk((*location, "routes", index))


class InhibitRule(_Strict):
    """Alerts that are not told while others fire."""

    name: str = Field("", description="What it is called.")
    source_matchers: Matchers = Field((), description="While one of these fires ...")
    target_matchers: Matchers = Field((), description="... these are not told ...")
    equal: tuple[str, ...] = Field((), description="... if both have the same values of these labels.")
    source_match: Equals = Field((), description="Deprecated: labels and their values.")
    source_match_re: Patterns = Field((), description="Deprecated: labels and their patterns.")
    target_match: Equals = Field((), description="Deprecated: labels and their values.")
    target_match_re: Patterns = Field((), description="Deprecated: labels and their patterns.")

    @property
    def sources(self) -> tuple[Matcher, ...]:
        """What inhibits."""
        return _sorted((*self.source_match, *self.source_match_re, *self.source_matchers))

    @property
    def targets(self) -> tuple[Matcher, ...]:
        """What is inhibited."""
        return _sorted((*self.target_match, *self.target_match_re, *self.target_matchers))


class Global(_Strict):
    """What holds for the whole file; the defaults of receivers are merged into them when it is read."""

    resolve_timeout: Period = Field(
        parse_duration("5m"), description="An alert from outside without an end is over after this time."
    )


class Configuration(_Strict):
    """A notification configuration, apart from its receivers."""

    global_: Global = Field(Global(), alias="global", description="What holds for the whole file.")
    route: Route = Field(description="The routing tree.")
    inhibit_rules: tuple[InhibitRule, ...] = Field((), description="Alerts that hold back others.")
    time_intervals: tuple[NamedIntervals, ...] = Field((), description="Times that routes name.")
    mute_time_intervals: tuple[NamedIntervals, ...] = Field((), description="Deprecated: time_intervals.")

    @property
    def intervals(self) -> Mapping[str, NamedIntervals]:
        """Every named time."""
        return {each.name: each for each in (*self.mute_time_intervals, *self.time_intervals)}

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """What a file says, its receivers left out.

        Raises:
            pydantic.ValidationError: Values of it cannot be used.
        """
        return cls.model_validate({name: value for name, value in raw.items() if value is not None})


GROUP_INTERVAL: Final = timedelta(minutes=5)
REPEAT_INTERVAL: Final = timedelta(hours=4)
DEFAULTS: Final = {
    "group_by": (),
    "group_wait": timedelta(seconds=30),
    "group_interval": GROUP_INTERVAL,
    "repeat_interval": REPEAT_INTERVAL,
}
"""Alertmanager's, for what the root does not set."""


def _sorted(found: Iterable[Matcher]) -> tuple[Matcher, ...]:
    return tuple(sorted(found, key=lambda each: (each.name, each.value, each.op)))
