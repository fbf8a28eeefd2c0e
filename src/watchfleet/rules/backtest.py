"""A rule over stored history: each time that it would have fired, by the same steps as it takes live."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from watchfleet.model import AlertState
from watchfleet.promql import Expression, Matrix, SeriesSource, range_
from watchfleet.promql.limits import Limits
from watchfleet.rules.assess import Moment, assess
from watchfleet.rules.group_state import RuleState
from watchfleet.rules.history import Slices
from watchfleet.rules.plan import Change, by_identity, changes, identity
from watchfleet.rules.prepared import PreparedRule
from watchfleet.rules.store import Known

LIMITS: Final = Limits(samples=30_000_000, series=200_000, seconds=300.0)
"""What one part of a backtest may cost."""
PART: Final = 5_000
"""How many evaluations are read for at once."""

_ACTIVE: Final = (AlertState.PENDING, AlertState.FIRING)


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that an alert fired.

    Attributes:
        labels: The alert.
        pending_at: When it became pending.
        fired_at: When it began to fire.
        resolved_at: When it was over; None if it still fires at the end.
        reason: Why it was over.
        annotations: Its texts, as of when it was true last.
        value: What the expression gave when it began to fire.
    """

    labels: Mapping[str, str]
    pending_at: datetime
    fired_at: datetime
    resolved_at: datetime | None
    reason: str
    annotations: Mapping[str, str]
    value: float | None


@dataclass(slots=True)
class Backtest:
    """What a rule would have done.

    Attributes:
        start: The first evaluation.
        end: The last one.
        evaluations: How many there were.
        transitions: Every change of a state, in order.
        failed: How many evaluations failed, by error.
    """

    start: datetime
    end: datetime
    evaluations: int = 0
    transitions: list[Change] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)

    @property
    def firings(self) -> list[Firing]:
        """Each time that an alert fired, by its beginning."""
        return sorted(_firings(self.transitions), key=lambda one: one.fired_at)

    @property
    def seconds(self) -> float:
        """For how long alerts fired, all of them together."""
        ends = [((one.resolved_at or self.end) - one.fired_at).total_seconds() for one in self.firings]
        return float(sum(ends))


def grid(start: datetime, end: datetime, interval: timedelta) -> list[datetime]:
    """The times of a group's evaluations: the multiples of its interval since the Unix epoch."""
    step = interval.total_seconds()
    first, last = -(-start.timestamp() // step), end.timestamp() // step
    return [datetime.fromtimestamp(place * step, UTC) for place in range(int(first), int(last) + 1)]


def backtest(
    rule: PreparedRule,
    instants: Sequence[datetime],
    source: SeriesSource,
    kinds: Callable[[], Mapping[str, str]],
    offset: timedelta = timedelta(0),
) -> Backtest:
    """Replay an alerting rule.

    Args:
        rule: The rule.
        instants: When it is evaluated, rising; at least one.
        source: Where history is.
        kinds: Gives the kind of each metric, by its name.
        offset: How far back its queries look.
    """
    replay = _Replay(rule, Backtest(instants[0], instants[-1]), kinds, offset)
    for first in range(0, len(instants), PART):
        part = instants[first : first + PART]
        replay.run(part, Slices(source, _expressions(rule), part, offset, LIMITS))
    return replay.found


class _Replay:
    def __init__(
        self,
        rule: PreparedRule,
        found: Backtest,
        kinds: Callable[[], Mapping[str, str]],
        offset: timedelta,
    ) -> None:
        self._rule, self.found, self._kinds, self._offset = rule, found, kinds, offset
        self._known: Known = {}
        self._state = RuleState()

    def run(self, instants: Sequence[datetime], source: Slices) -> None:
        """Take the steps of some evaluations, leaving out those that nothing comes of."""
        self.found.evaluations += len(instants)
        times = [at - self._offset for at in instants]
        true = _anywhere(self._rule.approach or self._rule.rule.expr, times, source)
        data = _anywhere(self._rule.open, times, source)
        for at, is_true, has_data in zip(instants, true, data, strict=True):
            if has_data and not is_true and not self._is_active():
                self._state = RuleState(data_at=at.timestamp())
            elif is_true or self._is_active() or self._state.data_at is not None:
                self._step(at, source)

    def _is_active(self) -> bool:
        return any(alert.standing.state in _ACTIVE for alert in self._known.values())

    def _step(self, at: datetime, source: Slices) -> None:
        moment = Moment(source, (at - self._offset).timestamp(), at, self._kinds)
        active = {key: one for key, one in self._known.items() if one.standing.state in _ACTIVE}
        assessed = assess(self._rule, moment, active, self._state, 0)
        self._state = assessed.state
        if assessed.state.error:
            self.found.failed[assessed.state.error] = self.found.failed.get(assessed.state.error, 0) + 1
        observed = by_identity(assessed.observations)
        for change in changes(self._rule.timing, self._known, observed, at):
            self._known[identity(change.alert.labels)] = change.alert
            if change.is_transition:
                self.found.transitions.append(change)


def _expressions(rule: PreparedRule) -> list[Expression]:
    others = (rule.relaxed, rule.approach)
    return [rule.rule.expr, rule.open, *(other for other in others if other is not None)]


def _anywhere(expression: Expression, times: Sequence[datetime], source: Slices) -> list[bool]:
    """Whether the expression gives anything at each of the times; if they are not even, that it may."""
    stamps = np.array([round(at.timestamp() * 1000) for at in times], np.int64)
    steps = np.diff(stamps)
    if len(stamps) < 2 or (steps != steps[0]).any():
        return [True] * len(stamps)
    value: Matrix = range_(source, expression, times[0], times[-1], float(steps[0]) / 1000, limits=LIMITS)
    found = np.zeros(len(stamps), np.bool_)
    for series in value:
        found[(series.timestamps - stamps[0]) // steps[0]] = True
    return [bool(one) for one in found]


def _firings(transitions: Sequence[Change]) -> Iterator[Firing]:
    fired: dict[str, Change] = {}
    for change in transitions:
        if change.after is AlertState.FIRING:
            fired[change.fingerprint] = change
        elif change.before is AlertState.FIRING:
            yield _firing(fired.pop(change.fingerprint), change)
    for change in fired.values():
        yield _firing(change, None)


def _firing(began: Change, ended: Change | None) -> Firing:
    last = ended or began
    return Firing(
        began.alert.labels,
        began.alert.standing.active_at or began.at,
        began.at,
        ended.at if ended else None,
        str(ended.reason) if ended else "",
        last.alert.annotations,
        began.alert.value,
    )
