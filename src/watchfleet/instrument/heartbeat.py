"""Pings that tell a heartbeat of the fleet that a job began and how it ended."""

import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any, Final, Self
from urllib.error import HTTPError
from urllib.parse import urlsplit

from watchfleet.errors import ConfigError
from watchfleet.instrument.faults import faults, guarded
from watchfleet.instrument.lifetime import lifetime
from watchfleet.redact import register

PAUSE: Final = 0.5
LONGEST_BODY: Final = 1_000


class heartbeat(ContextDecorator):  # noqa: N801 - it is used as a function
    """Tell a heartbeat that this job begins, and at the end whether it succeeded.

        @watchfleet.heartbeat("https://fleet.example.org/ping/nightly-backup-5f3a")
        def backup(): ...

        with watchfleet.heartbeat(os.environ["BACKUP_PING_URL"]):
            ...

    It never raises into the job, and costs it twice `timeout` at most when the fleet does not answer.

    Args:
        url: The heartbeat's address, up to and including its key.
        timeout: Seconds for each of the two pings, with what is tried again.

    Raises:
        ConfigError: The address is none of HTTP.
    """

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._pinger = Pinger(url, timeout)

    def __enter__(self) -> Self:
        """Tell of the start."""
        self._pinger.began()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell of the end; what was raised goes on."""
        self._pinger.ended(error)


class Pinger:
    """Pings one heartbeat; see `heartbeat`."""

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        url = url.rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                "a heartbeat's address is none of HTTP", mend="write it like https://fleet/ping/KEY"
            )
        register(parts.path.rpartition("/")[2])
        self._url, self._timeout = url, timeout

    @guarded("heartbeat")
    def began(self) -> None:
        """Tell of the start."""
        self._ping("/start")

    @guarded("heartbeat")
    def ended(self, error: BaseException | None = None) -> None:
        """Tell of the end, of an error by its class and words, of an exit by its code."""
        if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
            self._ping(f"/{(error.code or 0) & 255}")
        elif error is not None:
            self._ping("/fail", f"{type(error).__name__}: {error}"[:LONGEST_BODY])
        else:
            self._ping("")

    def _ping(self, what: str, body: str = "") -> None:
        end = time.monotonic() + self._timeout
        request = urllib.request.Request(self._url + what, body.encode(), method="POST")  # noqa: S310 - the scheme is checked
        while True:
            try:
                with urllib.request.urlopen(request, timeout=max(end - time.monotonic(), 0.1)):  # noqa: S310 - likewise
                    return
            except OSError as error:
                passing = not isinstance(error, HTTPError) or error.code in {429, 503}
                if not passing or time.monotonic() + PAUSE > end:
                    faults.note("heartbeat", "a ping was not taken", error)
                    return
            time.sleep(PAUSE)


def follow(urls: Mapping[str, str]) -> None:
    """Ping heartbeats when Celery tasks begin and end.

    Args:
        urls: The address of the heartbeat of each task, by the task's name.

    Raises:
        ConfigError: An address is none of HTTP.
    """
    from celery import signals  # noqa: PLC0415 - of the host, and not every host has it

    _pingers.update({name: Pinger(url) for name, url in urls.items()})
    lifetime.connect(signals.task_prerun, _task_began)
    lifetime.connect(signals.task_success, _task_succeeded)
    lifetime.connect(signals.task_failure, _task_failed)


_pingers: Final[dict[str, Pinger]] = {}


def _of(name: Any, tell: Callable[[Pinger], None]) -> None:
    pinger = _pingers.get(name)
    if pinger is not None:
        tell(pinger)


@guarded("heartbeat")
def _task_began(task: Any, **_: Any) -> None:
    _of(task.name, Pinger.began)


@guarded("heartbeat")
def _task_succeeded(sender: Any, **_: Any) -> None:
    _of(sender.name, Pinger.ended)


@guarded("heartbeat")
def _task_failed(sender: Any, exception: BaseException | None = None, **_: Any) -> None:
    _of(sender.name, lambda pinger: pinger.ended(exception or RuntimeError("it failed")))
