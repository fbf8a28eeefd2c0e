"""The check of the fleet's own dependencies while nothing dispatches it.

Beat needs PostgreSQL, and a batch needs the broker: just when one of them is away, no tick comes. Then the
probes worker checks the fleet itself, so that its health is known, and its alerts are known later.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Final

from redis import Redis, RedisError

from watchfleet.clock import utcnow
from watchfleet.db.cache import PREFIX, get_cache
from watchfleet.errors import ConfigError
from watchfleet.probes import health
from watchfleet.probes.probe import Target
from watchfleet.probes.targets import get_targets

logger = logging.getLogger(__name__)

SILENCE_SECONDS: Final = 3.0
"""Without a tick for longer, nothing dispatches."""
SETTLING_SECONDS: Final = 15.0
"""What a fleet may take to start."""
SLACK: Final = timedelta(seconds=2)
TURN_KEY: Final = f"{PREFIX}health:standby"

Check = Callable[[Sequence[Target], datetime], None]


def take_over(own: Sequence[Target], now: datetime, slack: timedelta) -> list[Target]:
    """The targets that this process should check now, because nobody else does.

    While the cache is there, it tells which results are old, and one process at a time has its turn.
    """
    try:
        cache = get_cache()
        overdue = health.overdue(own, health.read(cache), now.timestamp(), slack)
        return overdue if overdue and _has_turn(cache, own) else []
    except (RedisError, ConfigError):
        return list(own)


def _has_turn(cache: Redis, own: Sequence[Target]) -> bool:
    shortest = min(target.interval for target in own)
    return bool(cache.set(TURN_KEY, "1", nx=True, px=max(1, round(shortest.total_seconds() * 1000))))


class Standby(Thread):
    """Looks once a second whether ticks still come, and checks the fleet's own targets when none do.

    Args:
        silence: Seconds since the last tick.
        check: Checks targets and makes the results known.
    """

    def __init__(self, silence: Callable[[], float], check: Check) -> None:
        super().__init__(name="probe standby", daemon=True)
        self._silence, self._check = silence, check
        self._began = time.monotonic()
        self._checked: dict[str, float] = {}
        self._ended = Event()
        self._acts = False

    def run(self) -> None:
        """Look, until `stop`."""
        while not self._ended.wait(1.0):
            try:
                self.look(utcnow())
            except Exception:
                logger.exception("the standby check failed")

    def stop(self) -> None:
        """End after the present look."""
        self._ended.set()

    def look(self, now: datetime) -> None:
        """Check what nobody checks."""
        settled = time.monotonic() - self._began > SETTLING_SECONDS
        acted, self._acts = self._acts, settled and self._silence() > SILENCE_SECONDS
        if acted != self._acts:
            logger.warning("ticks come again" if acted else "no tick comes: checks the fleet itself")
        if not self._acts:
            return
        slack = timedelta(0) if acted else SLACK
        due = [target for target in take_over(get_targets().own(), now, slack) if self._is_due(target)]
        for target in due:
            self._checked[target.name] = time.monotonic()
        if due:
            self._check(due, now)

    def _is_due(self, target: Target) -> bool:
        """Without the cache, this process's own memory has to do."""
        last = self._checked.get(target.name)
        return last is None or time.monotonic() - last >= target.interval.total_seconds()
