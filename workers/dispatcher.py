"""The dispatcher's process: `python -m workers.dispatcher`. Any number may run."""

import logging
import signal
from typing import Any

from tasks.alerts import wake
from watchfleet.notify.dispatcher import Dispatcher
from watchfleet.notify.policy import get_policy
from watchfleet.settings import get_settings
from workers import liveness, logs
from workers.celery import app

logger = logging.getLogger("workers.dispatcher")


class Outage:
    """Logs an outage when it begins and when it ends, not at every try."""

    def __init__(self) -> None:
        self._away = False

    def report(self, error: Exception | None) -> None:
        """Note whether PostgreSQL is away."""
        if error is not None and not self._away:
            logger.error("PostgreSQL is away, no group is looked at until it is back: %s", error)
        elif error is None and self._away:
            logger.info("PostgreSQL is back")
        self._away = error is not None


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    app.set_default()
    logs.configure(logging.INFO, "dispatcher")
    dispatcher = Dispatcher(get_policy(get_settings()), wake, Outage().report, liveness.touch)

    def stop(*_: Any) -> None:
        dispatcher.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    logger.info("dispatches")
    dispatcher.run()


if __name__ == "__main__":
    main()
