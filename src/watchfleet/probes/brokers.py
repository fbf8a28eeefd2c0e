"""Connections to a broker that live as long as one check, with its deadline on every step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from amqp.exceptions import AMQPError
from kombu.connection import Connection
from kombu.exceptions import KombuError
from pydantic import SecretStr
from redis import RedisError

from watchfleet.probes.probe import Deadline
from watchfleet.settings import get_settings

FAILURES: Final = (OSError, KombuError, AMQPError, RedisError)
"""What a broker that cannot be used raises."""


def broker_url(given: SecretStr | None) -> str:
    """The broker that a target names, or else the fleet's own.

    Raises:
        LookupError: Neither is known.
    """
    url = given or get_settings().broker_url
    if url is None:
        raise LookupError("BROKER_URL is not set")
    return url.get_secret_value()


@contextmanager
def connected(url: str, deadline: Deadline) -> Iterator[Connection]:
    """A connection that nothing else uses, open until the block ends.

    Raises:
        FAILURES: The broker cannot be used; nothing is tried twice.
    """
    seconds = deadline.remaining()
    amqp = url.startswith(("amqp", "pyamqp"))
    timeouts = ("read_timeout", "write_timeout") if amqp else ("socket_timeout", "socket_connect_timeout")
    with Connection(
        url, connect_timeout=seconds, transport_options=dict.fromkeys(timeouts, seconds)
    ) as connection:
        connection.ensure_connection(max_retries=0)
        yield connection
