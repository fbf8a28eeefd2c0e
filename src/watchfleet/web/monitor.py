"""What this process knows of the fleet's health: from the shared cache, or from checks of its own."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Lock, Thread
from typing import Final

from redis import Redis, RedisError

from watchfleet.clock import utcnow
from watchfleet.db.cache import get_cache, open_cache
from watchfleet.errors import ConfigError
from watchfleet.probes import health
from watchfleet.probes.batch import run_batch
from watchfleet.probes.health import Assessment, Check, Grade
from watchfleet.probes.probe import Target
from watchfleet.probes.standby import take_over
from watchfleet.probes.targets import get_targets
from watchfleet.web.snapshot import Snapshot

logger = logging.getLogger(__name__)

RENEWED_EVERY: Final = 1.0
CACHED_SECONDS: Final = 5.0
CACHE_SECONDS: Final = 1.0
"""How long the cache may take: together with the renewal's second well below the five."""
PATIENCE: Final = 1.5
BRIEFLY: Final = 0.05
"""Seconds that an answer waits for a newer reading while there is an older one, whose checks tell their age:
more than the cache takes when it is well."""
SLACK: Final = timedelta(seconds=10)
"""How late the fleet's own results may be before this process checks for itself: after the probes worker
has had its chance to."""


@dataclass(frozen=True, slots=True)
class Health:
    """The fleet's health as of one moment.

    Attributes:
        checks: The last result of each target; None of a required one that has none yet.
        at: When they were read, in Unix seconds.
        cache_up: Whether the shared cache answered.
    """

    checks: Mapping[str, Check | None]
    at: float
    cache_up: bool = True

    def assessments(self, now: float) -> dict[str, Assessment]:
        """The grade of each target and its reason."""
        return {name: health.assess(check, now) for name, check in self.checks.items()}

    def of_group(self, names: Sequence[str]) -> "Health":
        """The health of some targets that are all required."""
        members = ((name, self.checks.get(name)) for name in names)
        checks = {name: check and replace(check, required=True) for name, check in members}
        return replace(self, checks=checks)

    def grade(self, now: float) -> Grade:
        """The worst grade; a target that is not required never makes it worse than a warning."""
        return health.worst(assessment.grade for assessment in self.assessments(now).values())


UNREAD: Final = Health({}, 0.0, cache_up=False)


@dataclass(slots=True)
class _Own:
    """What this process found itself."""

    checks: dict[str, Check] = field(default_factory=dict)
    began: float = float("-inf")
    running: Lock = field(default_factory=Lock)


class Monitor:
    """Reads the cache once a second at most, in the background, however many ask.

    While the cache is away, or holds only old results of the fleet's own dependencies, it checks those
    itself, as often as they would be checked otherwise and no more.
    """

    def __init__(self) -> None:
        self._snapshot = Snapshot(self._read, fresh=RENEWED_EVERY, usable=CACHED_SECONDS)
        self._own = _Own()
        self._cache: Redis | None = None
        self._cached: dict[str, Check] = {}

    def health(self) -> Health | None:
        """The fleet's health; None when nothing could be read yet."""
        reading = self._snapshot.get(BRIEFLY) or self._snapshot.get(PATIENCE)
        return reading.value if reading else None

    def _read(self) -> Health:
        targets = get_targets()
        cache_up = self._reads_cache()
        self._check_if_nobody_does(targets.own(), self._cached if cache_up else {})
        newest = {**self._own.checks, **self._cached}
        for name, check in self._own.checks.items():
            newest[name] = max(check, newest[name], key=lambda one: one.checked_at)
        missing = {target.name: None for target in targets if target.required and target.name not in newest}
        return Health(dict(sorted({**newest, **missing}.items())), time.time(), cache_up)

    def _reads_cache(self) -> bool:
        """Whether the cache was read; if not, what was read before stays, and ages."""
        try:
            if self._cache is None:
                self._cache = open_cache(CACHE_SECONDS)
            self._cached = health.read(self._cache)
        except (RedisError, ConfigError):
            return False
        return True

    def _check_if_nobody_does(self, own: Sequence[Target], checks: Mapping[str, Check]) -> None:
        slack = timedelta(0) if self._covers(checks) else SLACK
        if not own or not health.overdue(own, checks, time.time(), slack):
            return
        pause = min(target.interval for target in own).total_seconds()
        if time.monotonic() - self._own.began < pause or not self._own.running.acquire(blocking=False):
            return
        self._own.began = time.monotonic()
        Thread(target=self._check, args=(own, slack), name="own check", daemon=True).start()

    def _covers(self, checks: Mapping[str, Check]) -> bool:
        """Whether the results in the cache are those of this process: nobody else checks meanwhile."""
        mine = self._own.checks
        return bool(mine) and all(
            name in checks and checks[name].checked_at == check.checked_at for name, check in mine.items()
        )

    def _check(self, own: Sequence[Target], slack: timedelta) -> None:
        """Check on a thread of its own: what hangs must not hold up the reading."""
        try:
            due = {target.name: target for target in take_over(own, utcnow(), slack)}
            found = {
                result.target: health.check_of(due[result.target], result)
                for result in run_batch(list(due.values()))
            }
            # A new mapping: requests read the old one meanwhile.
            self._own.checks = {**self._own.checks, **found}
            health.write(get_cache(), found)
        except (RedisError, ConfigError):
            logger.debug("the cache did not take this process's own results")
        finally:
            self._own.running.release()
