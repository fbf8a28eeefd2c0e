"""The probes worker checks the fleet itself while no tick comes."""

from typing import Any

from celery.signals import worker_init, worker_shutdown

from tasks.probes import check_unasked
from watchfleet.probes.rounds import seconds_since_tick
from watchfleet.probes.standby import Standby

standby = Standby(seconds_since_tick, check_unasked)


def _start(sender: Any, **_: Any) -> None:
    if sender.hostname.startswith("probes@"):
        standby.start()


def _stop(**_: Any) -> None:
    standby.stop()


worker_init.connect(_start)
worker_shutdown.connect(_stop)
