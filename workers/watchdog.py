"""The watchdog, in the web process: outside Celery, so that it looks when nothing there does."""

from watchfleet.notify.watchdog import Watchdog
from watchfleet.settings import get_settings


def start() -> None:
    """Begin to look; ends with the process."""
    Watchdog(get_settings()).start()
