"""What the fleet consists of: its queues, and the worker pools that serve them.

`celeryconfig.py`, `watchfleet up`, the probes of the fleet itself and the deployment files all read
this one table.
"""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Final, Literal

BUILTIN_CHANNELS: Final = ("log", "webhook", "email", "slack", "sentry", "apprise")
DEFAULT_QUEUE: Final = "watchfleet.upkeep"
INGEST_QUEUE: Final = "watchfleet.ingest"
PUBLISHED_HEADER: Final = "x_watchfleet_published"
"""The header in which an instrumented application tells when it published a message, in Unix seconds."""
MEMORY_QUEUES: Final = "watchfleet.memory."
"""What the names of queues begin with in which processes find that they are to take a snapshot."""
INGEST_TASK: Final = "watchfleet.ingest.write"


@cache  # looking at every installed distribution takes milliseconds
def channel_names() -> tuple[str, ...]:
    """The notification channels: ours, then those of other distributions (`watchfleet.channels`)."""
    others = {point.name for point in entry_points(group="watchfleet.channels")}
    return (*BUILTIN_CHANNELS, *sorted(others.difference(BUILTIN_CHANNELS)))


def channel_queue(channel: str) -> str:
    """The queue of one notification channel."""
    return f"watchfleet.alerts.{channel}"


@dataclass(frozen=True, slots=True)
class Family:
    """Worker processes that serve one family of queues.

    Attributes:
        name: The first part of the node's name, as in `probes@host`.
        queues: The queues that it consumes.
        pool: Celery's pool for it.
        concurrency: Threads or child processes.
        why: The reason for that pool.
    """

    name: str
    queues: tuple[str, ...]
    pool: Literal["prefork", "threads", "solo"]
    concurrency: int
    why: str

    def arguments(self) -> list[str]:
        """The command after `python -m celery -A workers`."""
        return [
            "worker",
            f"--hostname={self.name}@%h",
            f"--queues={','.join(self.queues)}",
            f"--pool={self.pool}",
            f"--concurrency={self.concurrency}",
            "--without-gossip",
            "--without-mingle",
            "--loglevel=INFO",
        ]


def location_queue(place: str) -> str:
    """The queue of the workers that check targets from a place."""
    return f"watchfleet.probes.at.{place}"


def families() -> tuple[Family, ...]:
    """Every worker family, in the order in which they start."""
    return (
        Family(
            "ingest",
            (INGEST_QUEUE,),
            "threads",
            2,
            "a batch waits for the store while the next is decoded; a pipe to a child adds half the cost",
        ),
        Family(
            "rules",
            ("watchfleet.rules",),
            "prefork",
            1,
            "an evaluation has a hard time limit, which only prefork can enforce",
        ),
        Family(
            "background",
            ("watchfleet.rollups", "watchfleet.detectors", DEFAULT_QUEUE),
            "prefork",
            1,
            "long CPU work with hard time limits, apart from what must answer within a second",
        ),
        Family(
            "probes",
            ("watchfleet.probes",),
            "threads",
            16,
            "a batch waits for the network, bounded by its own deadlines: slow targets hold threads, "
            "not the check of the fleet itself",
        ),
        Family(
            "alerts",
            tuple(channel_queue(name) for name in channel_names()),
            "threads",
            8,
            "a delivery waits for its receiver; a slow channel holds threads, not the others' queue",
        ),
    )


def queue_names() -> tuple[str, ...]:
    """Every queue of the fleet."""
    return tuple(queue for family in families() for queue in family.queues)
