"""One group at one instant: its rules in turn, and everything that follows from them in one transaction."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import Connection

from watchfleet.clock import utcnow
from watchfleet.metrics.counters import Tally
from watchfleet.model import Kind, Sample
from watchfleet.notify.identity import fingerprint
from watchfleet.notify.policy import Policy
from watchfleet.promql.catalogue import metrics
from watchfleet.rules import group_state, output, store
from watchfleet.rules.assess import Assessed, Moment, assess
from watchfleet.rules.group_state import GroupState, RuleState
from watchfleet.rules.model import RuleOptions
from watchfleet.rules.plan import Change, Identity, Observation, by_identity, changes, identity
from watchfleet.rules.prepared import PreparedGroup, PreparedRule
from watchfleet.rules.reading import read
from watchfleet.rules.stages import stages
from watchfleet.rules.state import BEGINNING, Condition, Timing
from watchfleet.rules.store import Decided, Known, Saved
from watchfleet.rules.telling import Told, tell
from watchfleet.rules.verdict import silenced

AT_ONCE: Final = Timing()


@dataclass(slots=True)
class Evaluation:
    """What an evaluation did.

    Attributes:
        transitions: The alerts that changed their state.
        wake: The channels that have something to send once the transaction has committed.
        failed: The error of each rule that failed, by its name.
    """

    transitions: tuple[Change, ...] = ()
    wake: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)


def evaluate_group(
    connection: Connection,
    group: PreparedGroup,
    at: datetime,
    policy: Policy,
    *,
    skipped: int = 0,
    is_doubtful: bool = False,
) -> Evaluation | None:
    """Evaluate a group's rules at one instant and write what follows, in the caller's transaction.

    Args:
        connection: A transaction that holds the group's lock.
        group: The group.
        at: The time of the evaluation.
        policy: Who is told of what.
        skipped: How many times of its grid were let pass since the last evaluation.
        is_doubtful: Whether rules of it may be missing because of a fault in its file.

    Returns:
        What was done; None when the group has been evaluated at that time or later already.
    """
    before = group_state.load(connection, group.key)
    if before.evaluated_at is not None and at <= before.evaluated_at:
        return None
    return _Run(connection, group, at, before).evaluate(policy, skipped, is_doubtful=is_doubtful)


class _Run:
    def __init__(
        self, connection: Connection, group: PreparedGroup, at: datetime, before: GroupState
    ) -> None:
        self._connection, self._group, self._at, self._before = connection, group, at, before
        self._queried = (at - group.offset).timestamp()
        self._began = time.perf_counter()
        self._known: dict[str, Known] = store.active(connection, group.key)
        self._kinds = cache(lambda: metrics(connection))

    def evaluate(self, policy: Policy, skipped: int, *, is_doubtful: bool) -> Evaluation:
        found = dict(self._assess())
        decided = list(self._decide(found, is_doubtful=is_doubtful))
        saved = store.save(self._connection, decided)
        wake = tell(self._connection, policy, self._told(saved), self._at)
        self._write_alerts()
        self._finish(found, skipped)
        errors = {
            rule.rule.name: found[rule.key].state.error
            for rule in self._group.rules
            if rule.key in found and found[rule.key].state.error
        }
        return Evaluation(tuple(one.decided.change for one in saved), wake, errors)

    def _assess(self) -> Iterator[tuple[str, Assessed]]:
        """What each rule says; those that read what an earlier one records come after it is written."""
        for number, rules in enumerate(stages([rule for rule in self._group.rules if rule.enabled])):
            source = read(self._connection, [rule.rule.expr for rule in rules], self._queried)
            moment = Moment(source, self._queried, self._at, self._kinds)
            outputs: dict[str, list[Sample]] = {}
            for rule in rules:
                before = self._before.rules.get(rule.key, RuleState())
                known = self._known.get(rule.key, {})
                assessed = assess(rule, moment, known, before, self._group.group.limit)
                if assessed.recorded is not None:
                    outputs[rule.key] = list(output.of_records(assessed.recorded, self._queried))
                yield rule.key, assessed
            if outputs:
                self._write(f"{number}", outputs)

    def _decide(self, found: Mapping[str, Assessed], *, is_doubtful: bool) -> Iterator[Decided]:
        rules = {rule.key: rule for rule in self._group.rules}
        observed = {
            key: by_identity(assessed.observations) for key, assessed in found.items() if rules[key].alerts
        }
        for key, known in self._resting(observed).items():
            self._known.setdefault(key, {}).update(known)
        for key, observations in observed.items():
            known = self._known.get(key, {})
            yield from self._of(key, list(changes(rules[key].timing, known, observations, self._at)))
        for key, known in list(self._known.items()):
            if key not in observed and not (is_doubtful and key not in rules):
                condition = Condition.DISABLED if key in rules else Condition.GONE
                ended = by_identity(silenced(known, condition))
                yield from self._of(key, list(changes(AT_ONCE, known, ended, self._at)))

    def _resting(self, observed: Mapping[str, Mapping[Identity, Observation]]) -> dict[str, Known]:
        """What is known of alerts that are true now and were not active."""
        wanted: dict[str, list[str]] = defaultdict(list)
        for key, observations in observed.items():
            active = self._known.get(key, {})
            for each, observation in observations.items():
                if observation.condition in BEGINNING and each not in active:
                    wanted[key].append(fingerprint(observation.labels))
        return store.known(self._connection, wanted)

    def _of(self, rule: str, made: Iterable[Change]) -> Iterator[Decided]:
        for change in made:
            self._known.setdefault(rule, {})[identity(change.alert.labels)] = change.alert
            yield Decided(rule, self._group.key, change)

    def _told(self, saved: Sequence[Saved]) -> list[Told]:
        options = {rule.key: rule.rule.options for rule in self._group.rules}
        own = (options.get(one.decided.rule, RuleOptions()) for one in saved)
        return [Told(one, said.channels, said.dedup_window) for one, said in zip(saved, own, strict=True)]

    def _write_alerts(self) -> None:
        outputs = {
            rule.key: list(output.of_alerts(self._known.get(rule.key, {}).values(), self._queried))
            for rule in self._group.rules
            if rule.alerts
        }
        seconds = time.perf_counter() - self._began
        labels = {"rule_group": self._group.key}
        own = Sample(output.EVALUATION, labels, Kind.GAUGE, self._at.timestamp(), seconds)
        self._write("alerts", {**outputs, self._group.key: [own]})

    def _write(self, part: str, outputs: Mapping[str, Sequence[Sample]]) -> None:
        batch = f"rules:{self._group.key}:{self._at.timestamp():.3f}:{part}"
        output.write(self._connection, batch, outputs, self._queried, utcnow())

    def _finish(self, found: Mapping[str, Assessed], skipped: int) -> None:
        states = {rule.key: self._state(rule, found) for rule in self._group.rules}
        seconds = time.perf_counter() - self._began
        state = GroupState(self._at, seconds, 1, skipped, states)
        group_state.save(self._connection, self._group.key, self._group.interval.total_seconds(), state)
        tally = Tally()
        labels = {"rule_group": self._group.key}
        tally.add("watchfleet_rule_group_evaluations_total", 1, labels)
        tally.add("watchfleet_rule_group_skipped_evaluations_total", skipped, labels)
        failures = sum(bool(one.state.error) for one in found.values())
        tally.add("watchfleet_rule_failures_total", failures, labels)
        tally.save(self._connection)

    def _state(self, rule: PreparedRule, found: Mapping[str, Assessed]) -> RuleState:
        if rule.key in found:
            return found[rule.key].state
        return self._before.rules.get(rule.key, RuleState())
