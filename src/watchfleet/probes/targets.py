"""What is probed: the targets of the configuration, and the fleet's own dependencies."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, Field, SecretStr, ValidationError, create_model

from watchfleet.clock import Period, format_duration
from watchfleet.complaints import explain, similar
from watchfleet.configured import Configured
from watchfleet.errors import ConfigError
from watchfleet.model import Severity
from watchfleet.probes.calendar import Window
from watchfleet.probes.dependencies import faults_of
from watchfleet.probes.probe import Options, Target
from watchfleet.probes.registry import kind, kind_names
from watchfleet.redact import register
from watchfleet.settings import Settings, secrets_in
from watchfleet.yamlfile import Document

SHORTEST_INTERVAL: Final = timedelta(seconds=1)
LONGEST_INTERVAL: Final = timedelta(days=1)
LONGEST_TIMEOUT: Final = timedelta(seconds=30)
DEFAULT_TIMEOUT: Final = timedelta(seconds=5)
OWN_TIMEOUT: Final = timedelta(seconds=4)
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[\w .:/@-]{0,98}[\w)])?")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_GROUP: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TAKEN_GROUPS: Final = {"live", "ready"}
_TAKEN_LABELS: Final = {"location", "target", "kind", "phase", "queue", "path", "hostname"}


def _known_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a name has up to 100 letters, digits, spaces and . _ : / @ - and begins with a letter or digit"
        )
    return name


def _known_label(name: str) -> str:
    if not _LABEL.fullmatch(name) or name.startswith("__"):
        raise ValueError(
            f"{name!r} is no label's name; it has letters, digits and _ and begins with no digit"
        )
    if name in _TAKEN_LABELS:
        raise ValueError(f"the label {name!r} is set by the probes themselves; choose another name")
    return name


def _known_place(name: str) -> str:
    if not _GROUP.fullmatch(name):
        raise ValueError(f"{name!r} is no place's name; it has lower-case letters, digits, - and _")
    return name


def _known_group(name: str) -> str:
    if not _GROUP.fullmatch(name) or name in _TAKEN_GROUPS:
        raise ValueError(f"{name!r} is no group's name; it has lower-case letters, digits, - and _")
    return name


class TargetFields(Options):
    """What every target has, whatever its kind."""

    name: Annotated[str, AfterValidator(_known_name)] = Field(description="Unique among all targets.")
    interval: Period | None = Field(None, description="Time between two checks. Not set: `probe_interval`.")
    timeout: Period | None = Field(
        None, description="How long a check may take, 30s at most. Not set: 5s, or the interval if shorter."
    )
    degraded_after: Period | None = Field(
        None, description="An answer that took longer counts as degraded. Not set: never."
    )
    labels: dict[Annotated[str, AfterValidator(_known_label)], str] = Field(
        default_factory=dict, description="Carried by the target's samples and alerts."
    )
    retries: int = Field(
        0, ge=0, le=100, description="How many checks in a row may fail before the target counts as down."
    )
    successes: int = Field(
        1, ge=1, le=100, description="How many in a row must succeed before it counts as up again."
    )
    retry_interval: Period | None = Field(
        None, description="Time to the next check while that is not decided. Not set: `interval`."
    )
    depends_on: tuple[str, ...] = Field(
        default_factory=tuple,
        description="Names of targets without which it cannot serve. While one of them fails, a failure of"
        " this one is `unknown`, and no alert.",
    )
    maintenance: tuple[Window, ...] = Field(
        default_factory=tuple,
        description="When it may fail: windows with `from` and `to`, or with `cron` and `duration`, and a"
        " `timezone`.",
    )
    severity: Severity = Field(Severity.CRITICAL, description="Of the alert that the target is down.")
    required: bool = Field(
        default=False, description="Whether /health/ready answers 503 while the target is down."
    )
    locations: tuple[Annotated[str, AfterValidator(_known_place)], ...] = Field(
        default_factory=tuple,
        description="Places that it is checked from, each by a worker of the queue"
        " `watchfleet.probes.at.<place>`. Not set: by the fleet's own.",
    )
    quorum: int | None = Field(
        None, ge=1, description="In how many places it must be down to be down. Not set: in more than half."
    )
    groups: tuple[Annotated[str, AfterValidator(_known_group)], ...] = Field(
        default_factory=tuple,
        description="Groups that it belongs to: `/health/<group>` and a part of the status page each.",
    )
    sla: float | None = Field(
        None, gt=0, le=100, description="The uptime that was promised, in percent of 30 days, such as 99.9."
    )
    public: bool = Field(
        default=False,
        description="Whether everybody may see its status: on /status, as a badge, in the feed.",
    )


@dataclass(frozen=True, slots=True)
class Targets:
    """Every target that can be used, and what is wrong with the others.

    Attributes:
        by_name: The usable ones.
        problems: One error for each fault of the others; each names file and line, if a file holds it.
    """

    by_name: Mapping[str, Target]
    problems: tuple[ConfigError, ...] = ()

    def __iter__(self) -> Iterator[Target]:
        """The usable targets."""
        return iter(self.by_name.values())

    def own(self) -> list[Target]:
        """The fleet's own dependencies."""
        return [target for target in self if target.own]


OWN: Final[Mapping[str, dict[str, Any]]] = {
    "postgres": {"kind": "postgres", "required": True},
    "redis": {"kind": "redis", "required": True},
    "broker": {"kind": "rabbitmq", "required": True},
    "celery-workers": {"kind": "celery_workers", "required": True},
    "celery-queues": {"kind": "celery_queue", "severity": "warning"},
    "celery-beat": {"kind": "celery_beat", "required": True},
    "disk": {"kind": "disk", "severity": "warning"},
    "memory": {"kind": "memory", "severity": "warning"},
}
"""The fleet's own dependencies, in the configuration's form."""


def own_targets(settings: Settings) -> dict[str, dict[str, Any]]:
    """Those of the fleet's own dependencies that these settings lead to, by name."""
    broker = settings.broker_url.get_secret_value() if settings.broker_url else ""
    here = {
        "postgres": settings.database_url,
        "redis": settings.cache_url,
        "broker": broker.startswith(("amqp", "pyamqp")),
        "celery-workers": broker,
        "celery-queues": broker,
        "celery-beat": settings.database_url,
    }
    return {name: {"name": name, **fields} for name, fields in OWN.items() if here.get(name, True)}


def load_targets(settings: Settings, document: Document | None = None) -> Targets:
    """Every target; one that cannot be used is reported and does not stop the others.

    A target of the configuration with the name of one of the fleet's own changes that one.

    Args:
        settings: Where the targets stand.
        document: The file that the settings are from: tells the lines.
    """
    own = own_targets(settings)
    found: dict[str, Target] = {}
    places: dict[str, _Place] = {}
    problems: list[ConfigError] = []
    for index, raw in enumerate(settings.targets):
        try:
            target = _build(raw, own, settings, _Place(document, index))
        except _Faulty as fault:
            problems += fault.errors
            continue
        if target.name in found:
            problems.append(_Place(document, index).error(f'the name "{target.name}" is taken', "name"))
        else:
            found[target.name], places[target.name] = target, _Place(document, index)
    for name, raw in own.items():
        if name not in found:
            found[name] = _build(raw, own, settings, _Place(None, 0))
    named = [str(raw.get("name")) for raw in settings.targets if isinstance(raw, dict)]
    for name, (message, mend) in faults_of(found, {*named, *found}).items():
        problems.append(places[name].error(f'target "{name}": {message}', "depends_on", mend=mend))
        del found[name]
    return Targets(found, tuple(problems))


class _Faulty(Exception):  # noqa: N818 - it carries errors, it is none of its own
    def __init__(self, errors: list[ConfigError]) -> None:
        super().__init__(*errors)
        self.errors = errors


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a target stands in the configuration."""

    document: Document | None
    index: int

    def where(self, location: tuple[str | int, ...]) -> tuple[Any, int | None]:
        if self.document is None or not self.document.has(("targets", self.index)):
            return None, None
        return self.document.path, self.document.line(("targets", self.index, *location))

    def error(self, message: str, *location: str, mend: str | None = None) -> ConfigError:
        path, line = self.where(location)
        return ConfigError(message, path=path, line=line, mend=mend)

    def repeated_keys(self) -> list[ConfigError]:
        if self.document is None:
            return []
        here = ("targets", self.index)
        return [error for location, error in self.document.problems if location[:2] == here]


def _build(raw: object, own: Mapping[str, dict[str, Any]], settings: Settings, place: _Place) -> Target:
    if not isinstance(raw, dict):
        mend = "write `- name: ...`, then `kind:` and what that kind needs"
        raise _Faulty([place.error(f"targets[{place.index}] is not a mapping", mend=mend)])
    repeated = place.repeated_keys()
    if repeated:
        raise _Faulty(repeated)
    name = str(raw.get("name", ""))
    merged = {**own.get(name, {}), **raw}
    label = f'target "{name}": ' if name else f"targets[{place.index}]: "
    if name in own and merged.get("kind") != own[name]["kind"]:
        message = f"{label}this name is that of the fleet's own {own[name]['kind']}"
        raise _Faulty([place.error(message, "name", mend="choose another")])
    model = _model_of(merged.get("kind"), label, place)
    return _validated(merged, model, label, settings, place, is_own=name in own)


def _model_of(name: object, label: str, place: _Place) -> type[TargetFields]:
    kinds = kind_names()
    if name not in kinds:
        message = f"{label}there is no probe of kind {name!r}" if name else f"{label}kind is missing"
        mend = similar(str(name or ""), kinds) or f"one of {', '.join(kinds)}"
        raise _Faulty([place.error(message, "kind", mend=mend)])
    try:
        return model_of(str(name))
    except ConfigError as error:
        raise _Faulty([place.error(f"{label}{error}", "kind")]) from error


def _validated(
    raw: dict[str, Any],
    model: type[TargetFields],
    label: str,
    settings: Settings,
    place: _Place,
    *,
    is_own: bool,
) -> Target:
    try:
        fields = model.model_validate(raw)
    except ValidationError as error:
        raise _Faulty(explain(error, model, place.where, owner=label)) from None
    _register_secrets(fields)
    default = settings.dependency_interval if is_own else settings.probe_interval
    interval = fields.interval or default
    timeout = fields.timeout or min(OWN_TIMEOUT if is_own else DEFAULT_TIMEOUT, interval)
    faults = _timing_faults(interval, timeout, label, place)
    if fields.retry_interval is not None and not SHORTEST_INTERVAL <= fields.retry_interval <= interval:
        shown = format_duration(fields.retry_interval)
        message = f"{label}retry_interval: {shown} is not between 1s and the interval"
        faults.append(place.error(message, "retry_interval"))
    if fields.quorum is not None and fields.quorum > len(set(fields.locations)):
        mend = "write no more than there are locations"
        faults.append(place.error(f"{label}quorum: {fields.quorum} is too many", "quorum", mend=mend))
    if faults:
        raise _Faulty(faults)
    return Target(
        name=fields.name,
        kind=str(raw["kind"]),
        interval=interval,
        timeout=timeout,
        degraded_after=fields.degraded_after,
        labels=fields.labels,
        severity=fields.severity,
        required=fields.required,
        own=is_own,
        options=fields,
        retries=fields.retries,
        successes=fields.successes,
        retry_interval=fields.retry_interval,
        sla=fields.sla,
        depends_on=fields.depends_on,
        maintenance=fields.maintenance,
        locations=tuple(dict.fromkeys(fields.locations)),
        quorum=fields.quorum or len(set(fields.locations)) // 2 + 1,
        groups=fields.groups,
        public=fields.public,
    )


def _timing_faults(interval: timedelta, timeout: timedelta, label: str, place: _Place) -> list[ConfigError]:
    faults = []
    if not SHORTEST_INTERVAL <= interval <= LONGEST_INTERVAL:
        shown = format_duration(interval)
        faults.append(place.error(f"{label}interval: {shown} is not between 1s and 1d", "interval"))
    if timeout > min(interval, LONGEST_TIMEOUT):
        shown = format_duration(timeout)
        mend = "write the interval or less, and 30s at most"
        faults.append(place.error(f"{label}timeout: {shown} is too long", "timeout", mend=mend))
    return faults


@cache
def model_of(name: str) -> type[TargetFields]:
    """What a target of one kind looks like in the configuration: what all have, and the kind's options.

    Raises:
        ConfigError: There is no such kind.
    """
    options: type[Options] = kind(name).options
    taken = set(TargetFields.model_fields) & set(options.model_fields)
    if taken:
        raise ConfigError(f"the probe {name!r} names an option {min(taken)!r}, which every target has")
    made: Any = create_model(
        f"{name.title().replace('_', '')}Target",
        __base__=(TargetFields, options),
        __doc__=options.__doc__,
        kind=(cast("Any", Literal[name]), Field(description="The kind of probe.")),
    )
    return cast("type[TargetFields]", made)


def _register_secrets(fields: TargetFields) -> None:
    for name in type(fields).model_fields:
        value = getattr(fields, name)
        for item in value.values() if isinstance(value, dict) else [value]:
            if isinstance(item, SecretStr):
                for secret in secrets_in(item.get_secret_value()):
                    register(secret)
            elif isinstance(item, str):
                for password in list(secrets_in(item))[1:]:
                    register(password)


get_targets: Final = Configured(load_targets, "this target is not probed")
"""The targets of this process's settings, read once."""
