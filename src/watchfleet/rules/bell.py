"""Which groups want to be evaluated at once, as samples of series arrived that they select."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from redis import RedisError

from watchfleet.db.cache import PREFIX, get_cache
from watchfleet.errors import ConfigError
from watchfleet.promql.labels import NAME
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.source import metric_of
from watchfleet.redact import redact
from watchfleet.rules.library import Library, get_library
from watchfleet.rules.stages import selectors

logger = logging.getLogger(__name__)

LOOKED_EVERY: Final = 1.0
"""Seconds for which a process takes the rule files for unchanged."""
FLAG_SECONDS: Final = 60

Arrived = tuple[str, Mapping[str, str]]
"""A series that got samples: its name and its other labels."""


class Bell:
    """The groups of a library by what they select.

    Args:
        library: The rules.
    """

    def __init__(self, library: Library) -> None:
        self._by_name: dict[str, list[tuple[str, tuple[Matcher, ...]]]] = defaultdict(list)
        self._of_any: list[tuple[str, tuple[Matcher, ...]]] = []
        for group in library.prepared({}):
            for matchers in _selected(group.rules):
                name = metric_of(matchers)
                others = tuple(one for one in matchers if one.name != NAME or not name)
                (self._by_name[name] if name else self._of_any).append((group.key, others))

    def wanted(self, arrived: Iterable[Arrived]) -> list[str]:
        """The keys of the groups that select any of these series."""
        found: set[str] = set()
        for name, labels in arrived:
            for group, matchers in (*self._by_name.get(name, ()), *self._of_any):
                if group not in found and _selects(matchers, name, labels):
                    found.add(group)
        return sorted(found)


def _selected(rules: Iterable[Any]) -> Iterator[tuple[Matcher, ...]]:
    on_data = (rule for rule in rules if rule.rule.options.on_data)
    yield from dict.fromkeys(one.matchers for rule in on_data for one in selectors(rule.rule.expr.root))


def _selects(matchers: Collection[Matcher], name: str, labels: Mapping[str, str]) -> bool:
    values = ((one, name if one.name == NAME else labels.get(one.name, "")) for one in matchers)
    return all(isinstance(value, str) and one.matches(value) for one, value in values)


class Ringer:
    """Has groups evaluated when samples arrive that they select; many arrivals make one call.

    A flag in the shared cache tells that a group is called already; its evaluator takes the flag down before
    it reads. Without a cache every arrival calls. A call that is lost waits for the group's next time.

    Args:
        call: Has groups evaluated at once; may raise.
    """

    def __init__(self, call: Callable[[Sequence[str]], None]) -> None:
        self._call = call
        self._looked, self._bell = float("-inf"), Bell(Library())

    def arrived(self, series: Iterable[Arrived]) -> None:
        """Take note of series that got samples; to be called once they are committed."""
        called = [key for key in self._current().wanted(series) if raise_flag(key)]
        if called:
            self._call(called)

    def _current(self) -> Bell:
        if time.monotonic() - self._looked > LOOKED_EVERY:
            self._bell, self._looked = _bell(get_library()), time.monotonic()
        return self._bell


def raise_flag(key: str) -> bool:
    """Note that a group has new data; False if that is noted already."""
    try:
        return bool(get_cache().set(_flag(key), "1", nx=True, ex=FLAG_SECONDS))
    except (RedisError, ConfigError):
        return True


def flagged(keys: Sequence[str]) -> list[str]:
    """Those of the groups that have new data which nobody has looked at."""
    try:
        flags = get_cache().mget([_flag(key) for key in keys]) if keys else []
    except (RedisError, ConfigError):
        return []
    return [key for key, flag in zip(keys, flags, strict=True) if flag]


def take_down(key: str) -> None:
    """Note that what is new of a group is about to be read."""
    try:
        get_cache().delete(_flag(key))
    except (RedisError, ConfigError) as error:
        logger.debug("no flag was taken down: %s", redact(str(error)))


def of_entries(entries: Iterable[Any]) -> Iterator[Arrived]:
    """The series among a batch's entries, which may be anything."""
    for entry in entries:
        if isinstance(entry, list) and len(entry) == 3:
            name, labels, _ = entry
            if isinstance(name, str) and isinstance(labels, dict):
                yield name, labels


def _flag(key: str) -> str:
    return f"{PREFIX}rules:new:{blake2b(key.encode(), digest_size=12).hexdigest()}"


@lru_cache(maxsize=2)
def _bell(library: Library) -> Bell:
    return Bell(library)
