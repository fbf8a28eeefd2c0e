"""Which rules a backtest is about, and the history that they are replayed over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from sqlalchemy import Connection

from watchfleet.clock import format_duration
from watchfleet.errors import ConfigError, WatchfleetError
from watchfleet.promql.catalogue import metrics
from watchfleet.promql.store import StoreSeries
from watchfleet.rules.backtest import LIMITS, Backtest, backtest, grid
from watchfleet.rules.files import load
from watchfleet.rules.history import recorded_instants
from watchfleet.rules.library import get_library
from watchfleet.rules.naming import named
from watchfleet.rules.overrides import overrides
from watchfleet.rules.prepared import (
    TIMES,
    Override,
    PreparedGroup,
    PreparedRule,
    prepare,
    prepare_rule,
    problems_of,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule that is to be replayed.

    Attributes:
        rule: The rule as it is now.
        group: Its group.
    """

    rule: PreparedRule
    group: PreparedGroup


def subjects(connection: Connection, name: str) -> list[Subject]:
    """The alerting rules of a file, or those of that name; at least one.

    Raises:
        ConfigError: The file has faults.
        WatchfleetError: There are no such rules.
    """
    path = Path(name)
    groups = _of_file(path) if path.suffix in {".yml", ".yaml"} else _named(connection, name)
    found = [Subject(rule, group) for group in groups for rule in group.rules if rule.alerts]
    if path.suffix not in {".yml", ".yaml"}:
        found = [one for one in found if name in _names(one)]
    if not found:
        raise WatchfleetError(f"{name} is no alerting rule, and a recording rule never fires")
    return found


def run(
    connection: Connection, subject: Subject, settings: Mapping[str, str], since: datetime, now: datetime
) -> Backtest:
    """Replay a rule over the store's history.

    Args:
        connection: An open transaction.
        subject: The rule.
        settings: Other values than it has now, by name.
        since: When to begin.
        now: When to end.

    Raises:
        WatchfleetError: It has no such setting, or there is nothing to evaluate.
    """
    for problem in problems_of(subject.rule.original, settings):
        raise WatchfleetError(problem)
    rule = _changed(subject, settings) if settings else subject.rule
    instants = _instants(connection, subject.group, since, now)
    if not instants:
        raise WatchfleetError("no evaluation falls into that time; take a longer one")
    kinds = cache(lambda: metrics(connection))
    return backtest(rule, instants, StoreSeries(connection, LIMITS), kinds, subject.group.offset)


def _changed(subject: Subject, settings: Mapping[str, str]) -> PreparedRule:
    """The rule as it is now, but for these settings."""
    now, original = subject.rule.rule, subject.rule.original
    times = {name: format_duration(getattr(now, of)) for name, of in TIMES.items()}
    override = Override(None, {**subject.rule.values, **times, **settings})
    return prepare_rule(original, subject.rule.key, subject.group.interval, override, {})


def _instants(connection: Connection, group: PreparedGroup, since: datetime, now: datetime) -> list[datetime]:
    """The times at which it was evaluated as far as they are known, and those of its grid before."""
    known = recorded_instants(connection, group.key, since, now)
    before = grid(since, now, group.interval)
    if not known:
        return before
    return [*(at for at in before if at < known[0]), *known]


def _of_file(path: Path) -> list[PreparedGroup]:
    loaded = load(path)
    if loaded.problems:
        raise ConfigError("\n".join(map(str, loaded.problems)))
    return [prepare(group, str(path.absolute()), {}) for group in loaded.file.groups]


def _named(connection: Connection, name: str) -> list[PreparedGroup]:
    library = get_library()
    named(library, name)
    return library.prepared(overrides(connection))


def _names(subject: Subject) -> set[str]:
    name = subject.rule.rule.name
    return {name, f"{subject.group.group.name}/{name}"}
