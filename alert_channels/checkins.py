"""Sentry's check-ins: each periodic task is a monitor, which beat's last slot keeps content.

The SDK's own way checks in where a task runs, and loses what a worker that ends has not sent yet. Here the
store tells what beat sent, so that nothing is lost with a worker, and of the silence of a whole fleet it is
Sentry that raises the alarm.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from alert_channels import load
from watchfleet.db.beat_runs import LastRun
from watchfleet.errors import DeliveryError
from watchfleet.notify.receivers import SentryConfig
from watchfleet.redact import redact
from watchfleet.settings import Settings

logger = logging.getLogger(__name__)

SLACK: Final = timedelta(seconds=30)
"""How much later than its period a slot may be."""
_CHECK_INS: Final = UUID("2c8f3c0a-5d3e-4b0c-9c6e-6f0d3f5b7a11")


def send(runs: Iterable[LastRun], schedule: Mapping[str, Mapping[str, Any]], settings: Settings) -> int:
    """Check in for each periodic task of the schedule; returns how many Sentry took.

    Args:
        runs: When each was last sent.
        schedule: Beat's schedule.
        settings: Say whether and where to.
    """
    config = SentryConfig.from_settings(settings) if settings.sentry_check_ins else None
    if config is None:
        return 0
    channel: Any = load("sentry").from_config(
        config, settings
    )  # the SDK takes memory in every process that imports it
    taken = 0
    for run in runs:
        if run.name in schedule:
            try:
                channel.check_in(_content(run, schedule[run.name]["schedule"], settings))
            except DeliveryError as error:
                logger.warning("Sentry did not take the check-in of %s: %s", run.name, redact(str(error)))
                break
            taken += 1
    return taken


def check_in(run: LastRun, period: timedelta, environment: str = "production") -> dict[str, Any]:
    """A check-in; its id follows from the slot, so that telling of one twice is telling of it once."""
    minutes = max(1, round(period / timedelta(minutes=1)))
    late = timedelta(seconds=run.age) > 2 * period + SLACK
    return {
        "check_in_id": uuid5(_CHECK_INS, f"{run.name}:{run.slot.isoformat()}:{late}").hex,
        "monitor_slug": run.name.replace(".", "-").replace("_", "-"),
        "status": "error" if late else "ok",
        "environment": environment,
        "monitor_config": {
            "schedule": {"type": "interval", "value": minutes, "unit": "minute"},
            "checkin_margin": 2,
            "max_runtime": 5,
            "timezone": "UTC",
        },
    }


def _content(run: LastRun, schedule: Any, settings: Settings) -> dict[str, Any]:
    period = schedule if isinstance(schedule, timedelta) else schedule.run_every
    return check_in(run, period, settings.sentry_environment)
