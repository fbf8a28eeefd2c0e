"""What tests measure of tasks, requests and queries, held against the budgets of the configuration."""

from collections.abc import Iterable, Iterator
from typing import Final, NoReturn

import pytest

from watchfleet.budgets import Budget, get_budgets
from watchfleet.errors import ConfigError
from watchfleet.instrument import hosts
from watchfleet.instrument.buffer import Buffer
from watchfleet.instrument.client import Client
from watchfleet.instrument.lifetime import lifetime
from watchfleet.model import Sample

_PLACES: Final = {
    "task_duration_seconds": ("p95_duration", "task", "task"),
    "http_request_duration_seconds": ("p95_duration", "endpoint", ""),
    "db_query_duration_seconds": ("p95_duration", "query", "fingerprint"),
}
_UNITS: Final = {"p95_duration": " s", "queries_per_call": " queries"}


class Guard:
    """Judges each test by what was measured while it ran."""

    def __init__(self) -> None:
        self._recorder = Recorder.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """Fail the test if a budget was broken; what it fails with by itself goes first."""
        self._recorder.take()
        yield
        broken = self._recorder.broken()
        if broken:
            pytest.fail("\n".join(["performance budgets are broken:", *broken]), pytrace=False)


class Recorder(Client):
    """A client that keeps what is measured instead of shipping it."""

    budgets: tuple[Budget, ...] = ()

    @classmethod
    def start(cls) -> "Recorder":
        """A recorder for the budgets of the configuration in use.

        Raises:
            pytest.UsageError: A budget, or the configuration, cannot be used.
        """
        recorder = cls("tests", _no_broker)
        recorder.budgets = _usable()
        return recorder

    def begin(self) -> None:
        """Start with nothing recorded."""
        super().begin()
        self._kept = Buffer(self.capacity, {})
        self.buffer = self._kept

    def _notice(self) -> None:
        """Ship nothing: no thread is started."""

    def take(self) -> list[Sample]:
        """What was measured since the last call; what was imported since is measured from here on."""
        lifetime.client = self
        hosts.join(None, None, traced=False)
        return self._kept.cut(self.capacity).samples

    def broken(self) -> list[str]:
        """One line for each limit that a call since the last look went beyond, with the worst call."""
        return list(_broken(self.budgets, self.take()))


def _no_broker() -> NoReturn:
    raise ConfigError("tests ship nothing")


def _usable() -> tuple[Budget, ...]:
    try:
        known = get_budgets()
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from error
    if known.problems:
        raise pytest.UsageError("\n".join(map(str, known.problems)))
    return known.usable


def _broken(budgets: Iterable[Budget], samples: Iterable[Sample]) -> Iterator[str]:
    worst: dict[tuple[str, str, str], float] = {}
    for sample in samples:
        for key in _measures(sample):
            worst[key] = max(worst.get(key, sample.value), sample.value)
    for budget in budgets:
        for limit, allowed in budget.limits.items():
            used = worst.get((limit, budget.kind, budget.subject), 0.0)
            if used > allowed:
                unit = _UNITS[limit]
                yield f"{budget.kind} {budget.subject}: {limit} {used:.4g}{unit}, {allowed:.4g}{unit} allowed"


def _measures(sample: Sample) -> Iterator[tuple[str, str, str]]:
    """What a sample is a measure of: the limit, the kind of its subject and the subject."""
    if sample.name == "db_call_queries":
        place = sample.labels["place"]
        yield "queries_per_call", "endpoint" if " /" in place else "task", place
    elif sample.name in _PLACES:
        limit, kind, label = _PLACES[sample.name]
        yield limit, kind, sample.labels[label] if label else "{method} {route}".format(**sample.labels)
