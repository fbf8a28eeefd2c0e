"""Deliveries: one task for each channel."""

import logging
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from celery import Task, current_app, shared_task

import alert_channels
from watchfleet import fleet
from watchfleet.notify.deliver import Means, drain
from watchfleet.notify.policy import receivers
from watchfleet.probes.brokers import FAILURES
from watchfleet.probes.celery_queue import depth
from watchfleet.settings import get_settings

logger = logging.getLogger(__name__)

PATIENCE: Final = 5.0
"""Seconds to wait for a connection to the broker."""
BUSY: Final = 20
"""So many wake-ups in a channel's queue are enough: each sends whatever is due when it comes up."""


def wake(channels: Iterable[str]) -> None:
    """Have what is due for these channels sent soon; the sweeper comes by when this does not get through.

    A wake-up has no expiry: a worker whose clock is ahead would take each of them for stale.
    """
    known = [channel for channel in channels if channel in DELIVER]
    try:
        with current_app.producer_pool.acquire(block=True, timeout=PATIENCE) as producer:
            for channel in known:
                if depth(producer.connection, fleet.channel_queue(channel)) < BUSY:
                    DELIVER[channel].apply_async(producer=producer, retry=False)
    except FAILURES as error:
        logger.warning("the broker is away, %s will be woken later: %s", ", ".join(known), error)


def _deliver(channel: str) -> "Task[[], dict[str, Any]]":
    @shared_task(name=f"{fleet.channel_queue(channel)}.deliver")
    def deliver() -> dict[str, Any]:
        """Send what is due for the channel; returns what came of it."""
        settings = get_settings()
        means = Means(partial(alert_channels.sender, settings=settings), receivers(settings))
        drained = drain(channel, means)
        wake([*drained.wake, *([channel] if drained.more else [])])
        return asdict(drained)

    task: Task[[], dict[str, Any]] = deliver
    return task


DELIVER: Final = {name: _deliver(name) for name in fleet.channel_names()}
