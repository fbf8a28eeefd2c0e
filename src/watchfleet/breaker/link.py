"""The way to Redis: never waited for long, left alone for a while when it fails, tried by one at a time."""

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Final, TypeVar

from redis import Redis, RedisError

from watchfleet.db.cache import open_cache
from watchfleet.errors import ConfigError
from watchfleet.redact import redact

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT: Final = 0.5
PAUSE: Final = 2.0


class Link:
    """Runs what needs Redis, and says None when Redis is gone.

    Args:
        redis: A client, whose timeouts are what a caller may have to wait; by default one of the cache that
            the settings name, with a timeout of half a second.
        pause: Seconds without another try after a failure.
    """

    def __init__(self, redis: Redis | None = None, pause: float = PAUSE) -> None:
        self._redis, self._pause = redis, pause
        self._lock, self._away, self._next_try = Lock(), False, 0.0

    def run(self, work: Callable[[Redis], T]) -> T | None:
        """What `work` returns; None, and no exception, when Redis does not answer or there is none."""
        if self._away and not self._may_try():
            return None
        try:
            found = work(self._client())
        except (RedisError, ConfigError, OSError) as error:
            self._failed(error)
            return None
        if self._away:
            self._away = False
            logger.info("Redis answers again: breakers are the fleet's again")
        return found

    def _client(self) -> Redis:
        if self._redis is None:
            self._redis = open_cache(TIMEOUT)
        return self._redis

    def _may_try(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._next_try:
                return False
            self._next_try = now + self._pause
            return True

    def _failed(self, error: Exception) -> None:
        with self._lock:
            first, self._away = not self._away, True
            self._next_try = time.monotonic() + self._pause
        if first:
            logger.warning("breakers are this process's own, as Redis is gone: %s", redact(str(error)))
