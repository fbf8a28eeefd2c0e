"""Check many targets at once: all HTTP in one loop, each other check on a thread of its own."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Final

from watchfleet.model import ProbeResult
from watchfleet.probes.probe import Attempt, Deadline, Target
from watchfleet.probes.reasons import Reason
from watchfleet.probes.registry import BulkProbe, kind

logger = logging.getLogger(__name__)

GRACE: Final = 0.5
"""Seconds beyond its timeout that a probe has to notice it by itself."""

_hanging: set[str] = set()
_hanging_lock = Lock()


def run_batch(targets: Sequence[Target]) -> list[ProbeResult]:
    """Check targets; returns one result for each, in no order.

    It takes as long as the longest timeout and a little, whatever the probes do: one that raises is
    `unknown`, one that ignores its deadline is `down`, and is not started again while it still hangs.
    """
    bulks: dict[BulkProbe, list[Target]] = defaultdict(list)
    singles: list[Target] = []
    for target in targets:
        bulk = kind(target.kind).bulk
        if bulk is None:
            singles.append(target)
        else:
            bulks[bulk].append(target)
    threads = _Threads(singles)
    results = [result for bulk, members in bulks.items() for result in _run_bulk(bulk, members)]
    return results + threads.collect()


def _run_bulk(bulk: BulkProbe, targets: Sequence[Target]) -> list[ProbeResult]:
    try:
        return bulk(targets, Deadline.after(_longest(targets) + GRACE))
    except Exception:
        logger.exception("a batch of %d targets could not be probed", len(targets))
        return [_broken(Attempt(target)) for target in targets]


class _Threads:
    """One daemon thread for each check: none can hold up the others, or the end of the process."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._results: SimpleQueue[ProbeResult] = SimpleQueue()
        self._stuck: list[Target] = []
        self._attempts: dict[str, Attempt] = {}
        self._deadline = Deadline.after(_longest(targets) + GRACE)
        for target in targets:
            if _enter(target.name):
                self._attempts[target.name] = Attempt(target)
                Thread(target=self._run, args=(target,), name=f"probe {target.name}", daemon=True).start()
            else:
                self._stuck.append(target)

    def collect(self) -> list[ProbeResult]:
        """What the checks found, when all have ended or their time is up."""
        found: dict[str, ProbeResult] = {}
        while len(found) < len(self._attempts) and time.monotonic() < self._deadline.at:
            try:
                result = self._results.get(timeout=self._deadline.remaining())
            except Empty:
                break
            found[result.target] = result
        late = [
            attempt.down(Reason.TIMEOUT, "the check did not end in time")
            for name, attempt in self._attempts.items()
            if name not in found
        ]
        hanging = [
            Attempt(target).down(Reason.TIMEOUT, "an earlier check still hangs") for target in self._stuck
        ]
        return [*found.values(), *late, *hanging]

    def _run(self, target: Target) -> None:
        try:
            result = check(target)
        finally:
            _leave(target.name)
        self._results.put(result)


def check(target: Target) -> ProbeResult:
    """Check one target on this thread."""
    attempt = Attempt(target)
    try:
        deadline = Deadline.after(target.timeout.total_seconds())
        return kind(target.kind).probe(target, target.options, deadline)
    except Exception:
        logger.exception("the probe of %s failed", target.name)
        return _broken(attempt)


def _broken(attempt: Attempt) -> ProbeResult:
    return attempt.unknown(Reason.PROBE_ERROR, "the probe itself failed; the worker's log says how")


def _longest(targets: Iterable[Target]) -> float:
    return max((target.timeout.total_seconds() for target in targets), default=0.0)


def _enter(name: str) -> bool:
    with _hanging_lock:
        if name in _hanging:
            return False
        _hanging.add(name)
        return True


def _leave(name: str) -> None:
    with _hanging_lock:
        _hanging.discard(name)
