"""One group at one instant: what its rules say and what that makes of its alerts, all of it yet unwritten."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from watchfleet.model import Sample
from watchfleet.notify.identity import fingerprint
from watchfleet.promql import Expression, SeriesSource
from watchfleet.rules import output
from watchfleet.rules.assess import Assessed, Moment, assess
from watchfleet.rules.group_state import GroupState, RuleState
from watchfleet.rules.model import RuleOptions
from watchfleet.rules.plan import Change, Identity, Observation, by_identity, changes, identity
from watchfleet.rules.prepared import PreparedGroup, PreparedRule
from watchfleet.rules.stages import stages
from watchfleet.rules.state import BEGINNING, Condition, Timing
from watchfleet.rules.store import Decided, Known, Saved
from watchfleet.rules.telling import Told
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


@dataclass(frozen=True, slots=True)
class Due:
    """A group that is to be evaluated.

    Attributes:
        group: The group.
        at: The time of the evaluation.
        skipped: How many times of its grid were let pass since the last one.
        is_doubtful: Whether rules of it may be missing because of a fault in its file.
    """

    group: PreparedGroup
    at: datetime
    skipped: int = 0
    is_doubtful: bool = False


class Run:
    """The evaluation of one group.

    Args:
        due: The group, and when.
        before: Where it stood before.
        known: Its active alerts, by the key of their rule.

    Attributes:
        queried: The time that its rules query, in Unix seconds.
        stages: Its rules in parts, see `stages.stages`.
        seconds: How long it has taken so far.
    """

    def __init__(self, due: Due, before: GroupState, known: dict[str, Known]) -> None:
        self.due, self._before, self._known = due, before, known
        self.queried = (due.at - due.group.offset).timestamp()
        self.stages = list(stages([rule for rule in due.group.rules if rule.enabled]))
        self.seconds = 0.0
        self._found: dict[str, Assessed] = {}

    @property
    def key(self) -> str:
        """The key of its group."""
        return self.due.group.key

    def reads(self, stage: int) -> list[Expression]:
        """What the rules of a stage select from."""
        return [rule.rule.expr for rule in self._of_stage(stage)]

    def assess(
        self, stage: int, source: SeriesSource, kinds: Callable[[], Mapping[str, str]]
    ) -> dict[str, output.Output]:
        """Ask each rule of a stage what it says; returns what they record, by the key of the rule."""
        began = time.perf_counter()
        moment = Moment(source, self.queried, self.due.at, kinds)
        outputs = {}
        for rule in self._of_stage(stage):
            before = self._before.rules.get(rule.key, RuleState())
            assessed = assess(rule, moment, self._known.get(rule.key, {}), before, self.due.group.group.limit)
            if assessed.recorded is not None:
                outputs[rule.key] = self._output(output.of_records(assessed.recorded, self.queried))
            self._found[rule.key] = assessed
        self.seconds += time.perf_counter() - began
        return outputs

    def resting(self) -> dict[str, list[str]]:
        """The fingerprints of alerts that are true now and were not active, by rule."""
        wanted: dict[str, list[str]] = defaultdict(list)
        for key, observations in self._observed().items():
            active = self._known.get(key, {})
            for each, observation in observations.items():
                if observation.condition in BEGINNING and each not in active:
                    wanted[key].append(fingerprint(observation.labels))
        return wanted

    def decide(self, resting: Mapping[str, Known]) -> Iterator[Decided]:
        """What becomes of each alert.

        Args:
            resting: What is known of the alerts that `resting` asked for.
        """
        rules = {rule.key: rule for rule in self.due.group.rules}
        observed = self._observed()
        for key, observations in observed.items():
            self._known.setdefault(key, {}).update(resting.get(key, {}))
            known = self._known[key]
            yield from self._of(key, list(changes(rules[key].timing, known, observations, self.due.at)))
        for key, known in list(self._known.items()):
            if key not in observed and not (self.due.is_doubtful and key not in rules):
                condition = Condition.DISABLED if key in rules else Condition.GONE
                ended = by_identity(silenced(known, condition))
                yield from self._of(key, list(changes(AT_ONCE, known, ended, self.due.at)))

    def told(self, saved: Sequence[Saved]) -> list[Told]:
        """Transitions of the group, and how their rules want them to be told."""
        options = {rule.key: rule.rule.options for rule in self.due.group.rules}
        own = (options.get(one.decided.rule, RuleOptions()) for one in saved)
        return [Told(one, said.channels, said.dedup_window) for one, said in zip(saved, own, strict=True)]

    def alerts(self) -> dict[str, output.Output]:
        """`ALERTS` of each rule, and how long the evaluation took."""
        outputs = {
            rule.key: self._output(output.of_alerts(self._known.get(rule.key, {}).values(), self.queried))
            for rule in self.due.group.rules
            if rule.alerts
        }
        return {**outputs, self.key: self._output([output.of_duration(self.key, self.due.at, self.seconds)])}

    def state(self) -> GroupState:
        """Where the group stands now; `skipped` and `evaluations` are what this evaluation adds."""
        states = {
            rule.key: self._found[rule.key].state
            if rule.key in self._found
            else self._before.rules.get(rule.key, RuleState())
            for rule in self.due.group.rules
        }
        return GroupState(self.due.at, self.seconds, 1, self.due.skipped, states)

    def failed(self) -> dict[str, str]:
        """The error of each rule that failed, by its name."""
        return {
            rule.rule.name: self._found[rule.key].state.error
            for rule in self.due.group.rules
            if rule.key in self._found and self._found[rule.key].state.error
        }

    def failures(self) -> int:
        """How many rules failed."""
        return sum(bool(one.state.error) for one in self._found.values())

    def _of_stage(self, stage: int) -> list[PreparedRule]:
        return self.stages[stage] if stage < len(self.stages) else []

    def _observed(self) -> dict[str, dict[Identity, Observation]]:
        return {
            rule.key: by_identity(self._found[rule.key].observations)
            for rule in self.due.group.rules
            if rule.alerts and rule.key in self._found
        }

    def _of(self, rule: str, made: Iterable[Change]) -> Iterator[Decided]:
        for change in made:
            self._known.setdefault(rule, {})[identity(change.alert.labels)] = change.alert
            yield Decided(rule, self.key, change)

    def _output(self, samples: Iterable[Sample]) -> output.Output:
        return output.Output(self.queried, list(samples))
