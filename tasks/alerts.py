"""Deliveries: one task for each channel."""

import logging
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from celery import Task, current_app, shared_task
from kombu.exceptions import OperationalError

import alert_channels
from watchfleet import fleet
from watchfleet.notify.deliver import Means, drain
from watchfleet.notify.policy import receivers
from watchfleet.probes.brokers import FAILURES
from watchfleet.probes.celery_queue import depth
from watchfleet.settings import get_settings

logger = logging.getLogger(__name__)

BUSY: Final = 20
"""So many wake-ups in a channel's queue are enough."""
WAKE_EXPIRES: Final = 60.0
"""Seconds that a wake-up stays fresh: after them the sweeper has sent others."""


def wake(channels: Iterable[str]) -> None:
    """Have what is due for these channels sent soon; the sweeper comes by when this does not get through."""
    known = [channel for channel in channels if channel in DELIVER]
    try:
        for channel in known:
            DELIVER[channel].apply_async(expires=WAKE_EXPIRES, retry=False)
    except OperationalError as error:
        logger.warning("the broker is away, %s will be woken later: %s", ", ".join(known), error)


def wake_unless_busy(channels: Iterable[str]) -> None:
    """Wake those of the channels that have few wake-ups waiting: more would only lengthen the queue."""
    known = [channel for channel in channels if channel in DELIVER]
    try:
        with current_app.connection_for_read() as connection:
            idle = [one for one in known if depth(connection, fleet.channel_queue(one)) < BUSY]
    except FAILURES as error:
        logger.warning("the broker is away, %s will be woken later: %s", ", ".join(known), error)
    else:
        wake(idle)


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
