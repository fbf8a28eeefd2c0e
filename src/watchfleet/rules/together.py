"""Some groups evaluated together: one read and one write for all cost little more than those of one group."""

import time
from collections.abc import Mapping, Sequence
from functools import cache
from uuid import uuid4

from sqlalchemy import Connection

from watchfleet.clock import utcnow
from watchfleet.metrics.counters import Tally
from watchfleet.notify.policy import Policy
from watchfleet.promql.catalogue import metrics
from watchfleet.rules import group_state, output, store
from watchfleet.rules.group import Due, Evaluation, Run
from watchfleet.rules.group_state import GroupState
from watchfleet.rules.reading import Wanted, read
from watchfleet.rules.store import Saved
from watchfleet.rules.telling import tell


def evaluate_groups(connection: Connection, due: Sequence[Due], policy: Policy) -> dict[str, Evaluation]:
    """Evaluate groups, each at an instant of its own, and write what follows, in the caller's transaction.

    Args:
        connection: A transaction that holds the groups' locks.
        due: The groups.
        policy: Who is told of what.

    Returns:
        What was done, by the key of the group. A group is not among them that has been evaluated at its time
        or later already.
    """
    before = group_state.load_some(connection, [one.group.key for one in due])
    late = [one for one in due if _is_new(one, before.get(one.group.key, GroupState()))]
    known = store.active(connection, [one.group.key for one in late])
    runs = [Run(one, before.get(one.group.key, GroupState()), known.get(one.group.key, {})) for one in late]
    return _Together(connection, runs).evaluate(policy) if runs else {}


def _is_new(due: Due, before: GroupState) -> bool:
    return before.evaluated_at is None or due.at > before.evaluated_at


class _Together:
    def __init__(self, connection: Connection, runs: Sequence[Run]) -> None:
        self._connection, self._runs = connection, runs
        self._began = time.perf_counter()
        self._kinds = cache(lambda: metrics(connection))

    def evaluate(self, policy: Policy) -> dict[str, Evaluation]:
        self._assess()
        saved = self._decide()
        done = {run.key: self._told(run, saved.get(run.key, ()), policy) for run in self._runs}
        self._share()
        self._write({key: one for run in self._runs for key, one in run.alerts().items()})
        self._finish()
        return done

    def _assess(self) -> None:
        """What each rule says; those that read what an earlier one records come after it is written."""
        for stage in range(max(len(run.stages) for run in self._runs)):
            at_it = [run for run in self._runs if stage < len(run.stages)]
            wanted = {run.key: Wanted(run.reads(stage), run.queried) for run in at_it}
            sources = read(self._connection, wanted)
            outputs = [run.assess(stage, sources[run.key], self._kinds) for run in at_it]
            self._write({key: one for each in outputs for key, one in each.items()})

    def _decide(self) -> dict[str, list[Saved]]:
        """Write what becomes of each alert; returns the transitions of each group."""
        resting = store.known(
            self._connection, {rule: some for run in self._runs for rule, some in run.resting().items()}
        )
        decided = [one for run in self._runs for one in run.decide(resting)]
        saved: dict[str, list[Saved]] = {}
        for one in store.save(self._connection, decided):
            saved.setdefault(one.decided.group, []).append(one)
        return saved

    def _told(self, run: Run, saved: Sequence[Saved], policy: Policy) -> Evaluation:
        wake = tell(self._connection, policy, run.told(saved), run.due.at)
        return Evaluation(tuple(one.decided.change for one in saved), wake, run.failed())

    def _share(self) -> None:
        """Add to each group's time its share of what was done for all."""
        own = sum(run.seconds for run in self._runs)
        common = (time.perf_counter() - self._began - own) / len(self._runs)
        for run in self._runs:
            run.seconds += common

    def _write(self, outputs: Mapping[str, output.Output]) -> None:
        if outputs:
            output.write(self._connection, f"rules:{uuid4()}", outputs, utcnow())

    def _finish(self) -> None:
        intervals = {run.key: run.due.group.interval.total_seconds() for run in self._runs}
        group_state.save(self._connection, intervals, {run.key: run.state() for run in self._runs})
        tally = Tally()
        for run in self._runs:
            labels = {"rule_group": run.key}
            tally.add("watchfleet_rule_group_evaluations_total", 1, labels)
            tally.add("watchfleet_rule_group_skipped_evaluations_total", run.due.skipped, labels)
            tally.add("watchfleet_rule_failures_total", run.failures(), labels)
        tally.save(self._connection)
