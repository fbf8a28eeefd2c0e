"""`celery_queue`: how many messages wait in each queue of any broker that Celery speaks to, and for how long.

How long the oldest waits is told by the header of who publishes with `watchfleet.instrument`. Of others it is
known how long the same one has been the oldest, as far as this process saw: at least that long. Only Redis
shows a message that stays in its queue.
"""

import json
import time
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, Final

from kombu.connection import Connection
from kombu.exceptions import ChannelError
from pydantic import Field, SecretStr

from watchfleet import fleet
from watchfleet.clock import Period
from watchfleet.fleet import PUBLISHED_HEADER
from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes import reasons
from watchfleet.probes.brokers import FAILURES, broker_url, connected
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason


class QueueOptions(Options):
    """The settings of `celery_queue`."""

    url: SecretStr | None = Field(None, description="The broker. Not set: the fleet's own.")
    queues: list[str] = Field(
        default_factory=list, description="The queues to look at. Not set: every queue of the fleet."
    )
    degraded_above: int | None = Field(
        1000, ge=0, description="A queue with more waiting messages makes the target degraded."
    )
    down_above: int | None = Field(
        None, ge=0, description="A queue with more waiting messages makes the target down. Not set: never."
    )
    degraded_above_age: Period | None = Field(
        None, description="A message that waits for longer makes the target degraded. Not set: never."
    )
    down_above_age: Period | None = Field(
        None, description="A message that waits for longer makes the target down. Not set: never."
    )


_MOST_SEEN: Final = 10_000
_seen: dict[tuple[str, str], tuple[str, float]] = {}
"""By broker and queue: the oldest message when it was looked at last, and since when it is that."""


def probe(target: Target, options: QueueOptions, deadline: Deadline) -> ProbeResult:
    """Count the waiting messages of each queue, and look at the oldest."""
    attempt = Attempt(target)
    names = options.queues or ([] if options.url else list(fleet.queue_names()))
    try:
        url = broker_url(options.url)
        with connected(url, deadline) as connection:
            depths = {name: depth(connection, name) for name in names}
            ages = {name: age(connection, url, name, time.time()) for name in names}
    except LookupError as error:
        return attempt.unknown(Reason.PROBE_ERROR, str(error))
    except FAILURES as error:
        return attempt.unknown(reasons.of_exception(error), "the broker cannot be reached")
    return _verdict(attempt, options, depths, {name: one for name, one in ages.items() if one is not None})


def depth(connection: Connection, queue: str) -> int:
    """How many messages wait; 0 for a queue that does not exist, which an empty one on Redis does not."""
    # RabbitMQ closes the channel on which a queue was not found; with Redis a channel is a connection more.
    shared = connection.transport.driver_type == "redis"
    with nullcontext(connection.default_channel) if shared else connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except (ChannelError, *connection.channel_errors):
            return 0


def age(connection: Connection, url: str, queue: str, now: float) -> float | None:
    """For how many seconds, at least, the oldest message has waited; None where that cannot be told.

    Args:
        connection: To the broker.
        url: Tells this broker from others.
        queue: The queue's name.
        now: In Unix seconds.
    """
    if connection.transport.driver_type != "redis":
        return None
    with connection.channel() as channel:
        raw = channel.client.lindex(queue, -1)
    if raw is None:
        _seen.pop((url, queue), None)
        return 0.0
    message = _message(raw)
    published = message.get("headers", {}).get(PUBLISHED_HEADER)
    if isinstance(published, int | float):
        return max(0.0, now - published)
    tag = str(message.get("properties", {}).get("delivery_tag"))
    if len(_seen) >= _MOST_SEEN:
        _seen.clear()
    known = _seen.get((url, queue))
    _seen[url, queue] = known if known is not None and known[0] == tag else (tag, now)
    return max(0.0, now - _seen[url, queue][1])


def _message(raw: bytes | str) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _verdict(
    attempt: Attempt, options: QueueOptions, depths: dict[str, int], ages: dict[str, float]
) -> ProbeResult:
    values = [
        Measurement("celery_queue_length", float(found), {"queue": name}) for name, found in depths.items()
    ]
    values += [Measurement("celery_queue_oldest_seconds", one, {"queue": name}) for name, one in ages.items()]
    slowest = max(ages, key=lambda name: ages[name], default="")
    waits = f"a message waits in {slowest} for {ages.get(slowest, 0.0):.0f} s"
    longest = max(depths, key=lambda name: depths[name], default="")
    waiting = depths.get(longest, 0)
    detail = f"{waiting} messages wait in {longest}"
    if options.down_above is not None and waiting > options.down_above:
        return attempt.down(Reason.QUEUE_TOO_LONG, detail, values)
    if _exceeds(ages.get(slowest), options.down_above_age):
        return attempt.down(Reason.QUEUE_TOO_OLD, waits, values)
    if options.degraded_above is not None and waiting > options.degraded_above:
        return attempt.degraded(Reason.QUEUE_TOO_LONG, detail, values)
    if _exceeds(ages.get(slowest), options.degraded_above_age):
        return attempt.degraded(Reason.QUEUE_TOO_OLD, waits, values)
    return attempt.up(values)


def _exceeds(seconds: float | None, limit: timedelta | None) -> bool:
    return seconds is not None and limit is not None and seconds > limit.total_seconds()
