"""The Redis that holds what may be lost: health results for a few seconds."""

from functools import lru_cache
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from watchfleet.errors import ConfigError
from watchfleet.settings import get_settings

PREFIX: Final = "watchfleet:"


def open_cache(seconds: float) -> "Redis":
    """A client of the cache that connects on first use and waits no longer than that for anything.

    Raises:
        ConfigError: There is no Redis: the broker is another and `REDIS_URL` is not set.
    """
    url = get_settings().cache_url
    if url is None:
        raise ConfigError("REDIS_URL is not set and the broker is not a Redis", mend="set REDIS_URL")
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        # Once more when the server closed the connection meanwhile; never when it does not answer.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


@lru_cache(maxsize=1)
def get_cache() -> "Redis":
    """The cache's client of this process; connects on first use, waits two seconds at most.

    Raises:
        ConfigError: There is no Redis: the broker is another and `REDIS_URL` is not set.
    """
    return open_cache(2)
