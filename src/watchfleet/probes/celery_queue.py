"""`celery_queue`: how many messages wait in each queue, on any broker that Celery speaks to."""

from kombu.connection import Connection
from kombu.exceptions import ChannelError
from pydantic import Field, SecretStr

from watchfleet import fleet
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


def probe(target: Target, options: QueueOptions, deadline: Deadline) -> ProbeResult:
    """Count the waiting messages of each queue."""
    attempt = Attempt(target)
    names = options.queues or ([] if options.url else list(fleet.queue_names()))
    try:
        with connected(broker_url(options.url), deadline) as connection:
            depths = {name: depth(connection, name) for name in names}
    except LookupError as error:
        return attempt.unknown(Reason.PROBE_ERROR, str(error))
    except FAILURES as error:
        return attempt.unknown(reasons.of_exception(error), "the broker cannot be reached")
    return _verdict(attempt, options, depths)


def depth(connection: Connection, queue: str) -> int:
    """How many messages wait; 0 for a queue that does not exist, which an empty one on Redis does not."""
    # RabbitMQ closes the channel on which a queue was not found.
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except (ChannelError, *connection.channel_errors):
            return 0


def _verdict(attempt: Attempt, options: QueueOptions, depths: dict[str, int]) -> ProbeResult:
    values = [
        Measurement("celery_queue_length", float(found), {"queue": name}) for name, found in depths.items()
    ]
    longest = max(depths, key=lambda name: depths[name], default="")
    waiting = depths.get(longest, 0)
    detail = f"{waiting} messages wait in {longest}"
    if options.down_above is not None and waiting > options.down_above:
        return attempt.down(Reason.QUEUE_TOO_LONG, detail, values)
    if options.degraded_above is not None and waiting > options.degraded_above:
        return attempt.degraded(Reason.QUEUE_TOO_LONG, detail, values)
    return attempt.up(values)
