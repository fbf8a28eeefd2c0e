"""The alerts of one rule while a test's time passes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from watchfleet.model import AlertState
from watchfleet.rules.engine import EvaluationError, Instance, Series
from watchfleet.rules.model import Rule
from watchfleet.rules.plan import Identity, identity
from watchfleet.rules.state import NEVER, Condition, Standing, Timing, transition

_ACTIVE = frozenset({AlertState.PENDING, AlertState.FIRING})


class RuleAlerts:
    """What is active of one rule.

    Args:
        rule: The rule, its parameters bound.
        limit: How many alerts it may have; 0 is any number.
    """

    def __init__(self, rule: Rule, limit: int) -> None:
        self._limit, self._timing = limit, Timing(rule.hold, keep_firing=rule.keep_firing)
        self._active: dict[Identity, tuple[Instance, Standing]] = {}

    def observe(
        self, found: Sequence[Instance], held: Sequence[Instance], near: Sequence[Instance], now: datetime
    ) -> None:
        """Take in what an evaluation gave.

        Args:
            found: What the rule is true for.
            held: What is enough for an alert that fires to fire on.
            near: What is enough for one to be pending.
            now: The time of the evaluation.

        Raises:
            EvaluationError: There are more alerts than the limit.
        """
        true = {identity(one.labels) for one in found}
        enough = {identity(one.labels) for one in held}
        given = {identity(one.labels): one for one in (*near, *found)}
        for key in [*self._active, *(key for key in given if key not in self._active)]:
            instance, standing = self._active.get(key) or (given[key], NEVER)
            is_true = key in true or (standing.state is AlertState.FIRING and key in enough)
            condition = Condition.NEAR if key in given else Condition.FALSE
            standing, _ = transition(standing, Condition.TRUE if is_true else condition, self._timing, now)
            self._active[key] = given.get(key, instance), standing
        self._active = {key: one for key, one in self._active.items() if one[1].state in _ACTIVE}
        if 0 < self._limit < len(self._active):
            count = len(self._active)
            self._active = {}
            raise EvaluationError(f"exceeded limit of {self._limit} with {count} alerts")

    @property
    def any_active(self) -> bool:
        """Whether any alert is pending or firing."""
        return bool(self._active)

    def firing(self) -> Iterator[Instance]:
        """The alerts that fire."""
        return (alert for alert, standing in self._active.values() if standing.state is AlertState.FIRING)

    def series(self) -> Series:
        """`ALERTS` and `ALERTS_FOR_STATE` of what is active."""
        found: list[tuple[Mapping[str, str], float]] = []
        for alert, standing in self._active.values():
            state, since = str(standing.state), standing.active_at
            found.append(({**alert.labels, "__name__": "ALERTS", "alertstate": state}, 1.0))
            if since is not None:
                found.append(
                    ({**alert.labels, "__name__": "ALERTS_FOR_STATE"}, float(int(since.timestamp())))
                )
        return found
