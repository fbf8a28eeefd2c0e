"""Read a notification configuration: `notify:` in `watchfleet.yml`, or a file of its own."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from watchfleet.complaints import dotted, explain, similar
from watchfleet.errors import ConfigError
from watchfleet.notify import foreign
from watchfleet.notify.configuration import Configuration
from watchfleet.notify.inherited import with_defaults
from watchfleet.notify.receivers import Receiver, receiver_model
from watchfleet.notify.tree import Node, compile_tree
from watchfleet.settings import Settings
from watchfleet.yamlfile import Document, Location

_VARIABLE: Final = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_BEGIN: Final = "begin with `route: {receiver: NAME}` and `receivers: [{name: NAME}]`"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a configuration comes to.

    Attributes:
        configuration: What it says.
        tree: Its routing tree.
        receivers: Its receivers by name.
        notes: What it holds that does nothing here.
    """

    configuration: Configuration
    tree: Node
    receivers: Mapping[str, Receiver]
    notes: tuple[ConfigError, ...] = ()


class InvalidError(ConfigError):
    """A notification configuration cannot be used.

    Args:
        problems: One error for each fault.
        notes: What it holds that does nothing here.
    """

    def __init__(self, problems: list[ConfigError], notes: list[ConfigError]) -> None:
        problems.sort(key=lambda each: each.line or 0)
        super().__init__("\n".join(map(str, problems)))
        self.problems, self.notes = tuple(problems), tuple(notes)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a configuration stands.

    Attributes:
        raw: What it says.
        document: The file.
        prefix: Its place in the file.
    """

    raw: Any
    document: Document | None = None
    prefix: Location = ()

    def where(self, location: Location) -> tuple[Path | None, int | None]:
        """The file and the line of one of its values."""
        if self.document is None:
            return None, None
        return self.document.path, self.document.line((*self.prefix, *location))

    def error(self, location: Location, message: str, mend: str | None = None) -> ConfigError:
        """What is wrong with one of its values."""
        path, line = self.where(location)
        return ConfigError(message, path=path, line=line, mend=mend)


def source_of(document: Document) -> Source:
    """The configuration that a file holds: under `notify:`, or as the whole file."""
    if "notify" in document.values:
        return Source(document.values["notify"], document, ("notify",))
    return Source(document.values, document)


def load(source: Source, settings: Settings) -> Loaded:
    """Read a configuration.

    Args:
        source: Where it stands.
        settings: What receivers that name no server take from the environment.

    Raises:
        InvalidError: It cannot be used; says everything that is wrong.
    """
    notes: list[ConfigError] = []
    problems = list(_repeated(source))
    if not isinstance(source.raw, dict):
        raise InvalidError([source.error((), "is not a mapping", _BEGIN)], notes)
    raw = _without_nulls(_expanded(source.raw, source, problems))
    raw = foreign.left_out(raw, lambda *found: notes.append(source.error(*found)))
    raw = with_defaults(raw, settings)
    receivers = _receivers(raw.pop("receivers", []), source, problems)
    configuration = _configuration(raw, source, problems)
    if configuration is not None:
        problems += _references(configuration, receivers, source)
    if configuration is None or problems:
        raise InvalidError(problems, notes)
    return Loaded(configuration, compile_tree(configuration.route), receivers, tuple(notes))


def _repeated(source: Source) -> Iterator[ConfigError]:
    for location, error in source.document.problems if source.document else ():
        if location[: len(source.prefix)] == source.prefix:
            yield error


def _expanded(value: Any, source: Source, problems: list[ConfigError], location: Location = ()) -> Any:
    """The same with every `${NAME}` replaced by the environment's variable; `$${NAME}` stays `${NAME}`."""
    if isinstance(value, dict):
        return {
            str(key): _expanded(one, source, problems, (*location, str(key))) for key, one in value.items()
        }
    if isinstance(value, list):
        return [_expanded(one, source, problems, (*location, index)) for index, one in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def variable(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        if found[1] not in os.environ:
            mend = "set it; for the text itself write $${...}"
            message = f"{dotted(location)}: the variable {found[1]} is not set"
            problems.append(source.error(location, message, mend))
        return os.environ.get(found[1], "")

    return _VARIABLE.sub(variable, value)


def _without_nulls(value: Any) -> Any:
    """The same without keys that have no value: to YAML they are null, to Alertmanager not there."""
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _configuration(raw: Any, source: Source, problems: list[ConfigError]) -> Configuration | None:
    try:
        return Configuration.model_validate(raw)
    except ValidationError as error:
        problems += explain(error, Configuration, source.where)
        return None


def _receivers(raw: Any, source: Source, problems: list[ConfigError]) -> dict[str, Receiver]:
    found: dict[str, Receiver] = {}
    for index, one in enumerate(raw if isinstance(raw, list) else ()):
        place: Location = ("receivers", index)
        name = one.get("name", "") if isinstance(one, dict) else ""
        if name in found:
            problems.append(source.error(place, f'the receiver name "{name}" is taken'))
        try:
            found[name] = receiver_model().model_validate(one)
        except ValidationError as error:
            where = _below(source, place)
            problems += explain(error, receiver_model(), where, owner=f'receiver "{name}": ')
    return found


def _below(source: Source, place: Location) -> Callable[[Location], tuple[Path | None, int | None]]:
    return lambda location: source.where((*place, *location))


def _references(
    configuration: Configuration, receivers: Mapping[str, Receiver], source: Source
) -> Iterator[ConfigError]:
    """What names something that is not there, or stands where it means nothing."""
    yield from _root(configuration, source)
    for route, place in configuration.route.walk():
        for name, key in _named_receivers(route):
            if name not in receivers:
                mend = similar(name, receivers) or f"there are {', '.join(receivers) or 'none'}"
                yield source.error((*place, *key), f'there is no receiver "{name}"', mend)
        for field in ("mute_time_intervals", "active_time_intervals"):
            for name in getattr(route, field):
                if name not in configuration.intervals:
                    mend = similar(name, configuration.intervals) or "name one of time_intervals"
                    yield source.error((*place, field), f'there is no time interval "{name}"', mend)
    yield from _repeated_intervals(configuration, source)


def _named_receivers(route: Any) -> Iterator[tuple[str, Location]]:
    if route.receiver is not None:
        yield route.receiver, ("receiver",)
    for index, step in enumerate(route.escalation or ()):
        for name in step.receivers:
            yield name, ("escalation", index, "receivers")


def _root(configuration: Configuration, source: Source) -> Iterator[ConfigError]:
    root = configuration.route
    if root.receiver is None:
        yield source.error(("route",), "the root route names no receiver", "write `receiver: NAME` there")
    if root.all_matchers:
        yield source.error(("route",), "the root route has matchers", "put them into a route below it")
    if root.continue_:
        yield source.error(("route", "continue"), "the root route cannot continue", "leave it out")
    if root.mute_time_intervals or root.active_time_intervals:
        yield source.error(("route",), "the root route cannot be muted", "name the times in a route below it")


def _repeated_intervals(configuration: Configuration, source: Source) -> Iterator[ConfigError]:
    seen = set()
    for field in ("mute_time_intervals", "time_intervals"):
        for index, interval in enumerate(getattr(configuration, field)):
            if interval.name in seen:
                yield source.error((field, index), f'the time interval "{interval.name}" is given twice')
            seen.add(interval.name)
