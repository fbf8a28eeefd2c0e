"""What the fleet stands on: whether the database and the broker answer, and are new enough."""

from typing import Final

import psycopg2
from kombu.connection import Connection
from redis import Redis, RedisError
from sqlalchemy import make_url

from watchfleet.errors import FleetError
from watchfleet.redact import redact

OLDEST_POSTGRES: Final = 14
OLDEST_REDIS: Final = (6, 2)
_SECONDS: Final = 5
_REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://", "redis+socket://")


def is_redis(url: str) -> bool:
    """Whether an address is that of a Redis."""
    return url.startswith(_REDIS_SCHEMES)


def check_database(url: str) -> str:
    """The version of the PostgreSQL at `url`, such as `PostgreSQL 18.1`.

    Raises:
        FleetError: It does not answer, or is too old.
    """
    number = postgres_version(url)
    if number // 10_000 < OLDEST_POSTGRES:
        raise FleetError(
            f"the database is PostgreSQL {number // 10_000}, and watchfleet needs {OLDEST_POSTGRES} or newer"
        )
    return f"PostgreSQL {number // 10_000}.{number % 10_000}"


def postgres_version(url: str) -> int:
    """The server's `server_version_num`, such as 180001.

    Raises:
        FleetError: It does not answer.
    """
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = psycopg2.connect(plain, connect_timeout=_SECONDS)
    except psycopg2.OperationalError as error:
        raise FleetError(f"PostgreSQL does not answer: {redact(str(error)).strip()}") from error
    try:
        return int(connection.server_version)
    finally:
        connection.close()


def check_broker(url: str) -> str:
    """What carries the messages, such as `Valkey 9.1.2`.

    Raises:
        FleetError: It does not answer, is too old, or drops data when its memory is full.
    """
    return check_redis(url) if is_redis(url) else _check_rabbitmq(url)


def check_redis(url: str) -> str:
    """The version of the Redis or Valkey at `url`.

    Raises:
        FleetError: It does not answer, is too old, or drops data when its memory is full.
    """
    client = Redis.from_url(
        url.replace("redis+socket://", "unix://"), socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS
    )
    try:
        facts = {str(name): str(value) for name, value in dict(client.info()).items()}
    except RedisError as error:
        raise FleetError(f"Redis does not answer: {redact(str(error))}") from error
    finally:
        client.close()
    return judge_redis(facts)


def judge_redis(facts: dict[str, str]) -> str:
    """Name and version of a server by what its INFO says.

    Raises:
        FleetError: It is too old, or drops data when its memory is full.
    """
    name = "Valkey" if "valkey_version" in facts else "Redis"
    version = facts.get("valkey_version") or facts["redis_version"]
    if _numbers(facts["redis_version"]) < OLDEST_REDIS:
        raise FleetError(f"the broker is {name} {version}, and watchfleet needs Redis 6.2 or newer")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise FleetError(
            f"the broker {name} {version} has maxmemory-policy {policy}, which drops tasks when memory is "
            "full: set `maxmemory-policy noeviction`"
        )
    return f"{name} {version}"


def _check_rabbitmq(url: str) -> str:
    connection = Connection(url, connect_timeout=_SECONDS)
    try:
        connection.ensure_connection(max_retries=1, timeout=_SECONDS)
        facts = connection.connection.server_properties
    except Exception as error:
        raise FleetError(f"RabbitMQ does not answer: {redact(str(error))}") from error
    finally:
        connection.release()
    return f"{facts.get('product', 'RabbitMQ')} {facts.get('version', '')}".strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
