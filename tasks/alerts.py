"""Deliveries: one task for each channel."""

import logging
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from celery import Task, shared_task
from kombu.exceptions import OperationalError

import alert_channels
from watchfleet import fleet
from watchfleet.notify.deliver import drain
from watchfleet.settings import get_settings

logger = logging.getLogger(__name__)

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


def _deliver(channel: str) -> "Task[[], dict[str, Any]]":
    @shared_task(name=f"{fleet.channel_queue(channel)}.deliver")
    def deliver() -> dict[str, Any]:
        """Send what is due for the channel; returns what came of it."""
        drained = drain(channel, lambda destination: alert_channels.sender(destination, get_settings()))
        if drained.more:
            wake([channel])
        return asdict(drained)

    task: Task[[], dict[str, Any]] = deliver
    return task


DELIVER: Final = {name: _deliver(name) for name in fleet.channel_names()}
