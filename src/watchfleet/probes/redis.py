"""`redis`: does a Redis, Valkey or compatible server answer PING, and how is it?"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import Field, SecretStr
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, BusyLoadingError, ResponseError
from redis.retry import Retry

from watchfleet.clock import Period
from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes import reasons
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason
from watchfleet.settings import get_settings

_VITALS: Final = {
    "redis_memory_used_bytes": "used_memory",
    "redis_memory_max_bytes": "maxmemory",
    "redis_connected_clients": "connected_clients",
    "redis_connected_replicas": "connected_slaves",
    "redis_unsaved_changes": "rdb_changes_since_last_save",
    "redis_replication_silence_seconds": "master_last_io_seconds_ago",
}
"""What is measured, and the field of INFO that tells it."""
_SAVES: Final = ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")


class RedisOptions(Options):
    """The settings of `redis`."""

    url: SecretStr | None = Field(
        None, description="The server, redis://... Not set: the one that keeps the fleet's shared cache."
    )
    degraded_above_memory_percent: float | None = Field(
        90, gt=0, le=100, description="More used memory of its `maxmemory` makes it degraded."
    )
    degraded_above_lag: Period | None = Field(
        timedelta(seconds=30),
        description="A replica that has heard nothing of its primary for longer is degraded.",
    )


def probe(target: Target, options: RedisOptions, deadline: Deadline) -> ProbeResult:
    """Connect, log in, PING; ask the server how it is, if it lets us."""
    attempt = Attempt(target)
    url = options.url.get_secret_value() if options.url else get_settings().cache_url
    if url is None:
        return attempt.unknown(Reason.PROBE_ERROR, "REDIS_URL is not set")
    seconds = deadline.remaining()
    try:
        with Redis.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=True,
        ) as client:
            client.ping()
            info = _info(client)
    except (RedisError, OSError) as error:
        return _failed(attempt, error)
    return _verdict(attempt, options, info)


def _info(client: Redis) -> Mapping[str, Any]:
    """What the server tells of itself; nothing if the user may not ask."""
    try:
        found: Mapping[str, Any] = client.info()
    except ResponseError:
        return {}
    return found


def _verdict(attempt: Attempt, options: RedisOptions, info: Mapping[str, Any]) -> ProbeResult:
    values = [Measurement(name, float(info[field])) for name, field in _VITALS.items() if field in info]
    used, most = float(info.get("used_memory", 0)), float(info.get("maxmemory", 0))
    share, limit = options.degraded_above_memory_percent, options.degraded_above_lag
    silent = float(info.get("master_last_io_seconds_ago", 0))
    if any(info.get(field, "ok") != "ok" for field in _SAVES):
        return attempt.degraded(Reason.PERSISTENCE_FAILED, "the last save to the disk failed", values)
    if info.get("master_link_status", "up") != "up":
        return attempt.degraded(Reason.REPLICATION_LAG, "its link to the primary is down", values)
    if limit is not None and silent > limit.total_seconds():
        detail = f"it has heard nothing of the primary for {silent:.0f} s"
        return attempt.degraded(Reason.REPLICATION_LAG, detail, values)
    if share is not None and most and used * 100 > most * share:
        return attempt.degraded(
            Reason.LOW_MEMORY, f"{used * 100 / most:.0f} % of its memory are used", values
        )
    return attempt.up(values)


def _failed(attempt: Attempt, error: Exception) -> ProbeResult:
    if isinstance(error, AuthenticationError | AuthorizationError):
        return attempt.down(Reason.AUTH_FAILED, "the server refused the login")
    if isinstance(error, BusyLoadingError):
        return attempt.down(Reason.STARTING, "the server is loading its data")
    reason = reasons.of_exception(error)
    return attempt.down(reason, f"no answer to PING: {reason.replace('_', ' ')}")
