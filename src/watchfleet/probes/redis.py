"""`redis`: does a Redis, Valkey or compatible server answer PING?"""

from pydantic import Field, SecretStr
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, BusyLoadingError
from redis.retry import Retry

from watchfleet.model import ProbeResult
from watchfleet.probes import reasons
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason
from watchfleet.settings import get_settings


class RedisOptions(Options):
    """The settings of `redis`."""

    url: SecretStr | None = Field(
        None, description="The server, redis://... Not set: the one that keeps the fleet's shared cache."
    )


def probe(target: Target, options: RedisOptions, deadline: Deadline) -> ProbeResult:
    """Connect, log in, PING."""
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
    except (RedisError, OSError) as error:
        return _failed(attempt, error)
    return attempt.up()


def _failed(attempt: Attempt, error: Exception) -> ProbeResult:
    if isinstance(error, AuthenticationError | AuthorizationError):
        return attempt.down(Reason.AUTH_FAILED, "the server refused the login")
    if isinstance(error, BusyLoadingError):
        return attempt.down(Reason.STARTING, "the server is loading its data")
    reason = reasons.of_exception(error)
    return attempt.down(reason, f"no answer to PING: {reason.replace('_', ' ')}")
