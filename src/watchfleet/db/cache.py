"""The Redis that holds what may be lost: health results for a few seconds."""

from functools import lru_cache
from typing import Final

from redis import Redis

from watchfleet.errors import ConfigError
from watchfleet.settings import get_settings

PREFIX: Final = "watchfleet:"


@lru_cache(maxsize=1)
def get_cache() -> "Redis":
    """The cache's client of this process; connects on first use, waits two seconds at most.

    Raises:
        ConfigError: There is no Redis: the broker is another and `REDIS_URL` is not set.
    """
    url = get_settings().cache_url
    if url is None:
        raise ConfigError("REDIS_URL is not set and the broker is not a Redis", mend="set REDIS_URL")
    return Redis.from_url(
        url, decode_responses=True, socket_timeout=2, socket_connect_timeout=2, health_check_interval=15
    )
