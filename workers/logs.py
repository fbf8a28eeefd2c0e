"""Where the processes write their log, and how: one format, without secrets."""

import logging
import os
import sys
import time
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path
from typing import Final

from billiard import util

from watchfleet.redact import RedactingFilter
from watchfleet.settings import Settings, get_settings

KEPT: Final = "WATCHFLEET_SUPERVISED_IN"
"""`watchfleet up` sets it: supervisord keeps what its processes write to standard error, in LOG_DIRECTORY."""
_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(processName)s %(name)s: %(message)s"
_DATE: Final = "%Y-%m-%dT%H:%M:%S"
_QUIETER: Final = {
    "celery.worker.strategy": logging.WARNING,  # a line for each task that comes is what Flower is for
    "celery.app.trace": logging.WARNING,  # and for each that goes
    # At every start, for every queue: that a countdown would wait in the worker. Ours have none.
    "kombu.transport.native_delayed_delivery": logging.ERROR,
}


def configure(level: int, name: str, path: str | None = None) -> None:
    """Send every log record of this process to one place; see `handler`."""
    place = handler(get_settings(), name, path)
    root = logging.getLogger()
    for former in root.handlers[:]:
        root.removeHandler(former)
        former.close()
    root.addHandler(place)
    root.setLevel(level)
    for logger, lowest in _QUIETER.items():
        logging.getLogger(logger).setLevel(max(level, lowest) if level > logging.DEBUG else level)
    pool = util.get_logger()  # billiard's: it does not propagate
    pool.handlers[:] = [place]
    pool.setLevel(logging.ERROR)


def handler(settings: Settings, name: str, path: str | None = None) -> logging.Handler:
    """Where the log goes: to a file, else to standard error, in one format and without secrets.

    Args:
        settings: Whether there is a LOG_DIRECTORY, and how large and how old its files may get.
        name: The file's name there, without its ending. Each process has a file of its own: two that rotate
            one file lose lines.
        path: Another file, which somebody else rotates.
    """
    found = _place(settings, name, path)
    formatter = logging.Formatter(_FORMAT, _DATE)
    formatter.converter = time.gmtime
    found.setFormatter(formatter)
    found.addFilter(RedactingFilter())
    return found


class RetainedFile(RotatingFileHandler):
    """A log file that is rotated by size, and whose former generations go by count and by age.

    Args:
        path: The file; no other process may write to it.
        settings: `log_max_file_size_mb`, `log_max_files` and `log_retention_days`.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self._seconds = settings.log_retention_days * 86_400
        size = int(settings.log_max_file_size_mb * 1024 * 1024)
        super().__init__(path, maxBytes=size, backupCount=settings.log_max_files, encoding="utf-8")
        self._prune()

    def doRollover(self) -> None:  # noqa: N802 - the base class's name for it
        """Begin a new file."""
        super().doRollover()
        self._prune()

    def _prune(self) -> None:
        oldest = time.time() - self._seconds
        for number in range(1, self.backupCount + 1):
            former = self._path.with_name(f"{self._path.name}.{number}")
            if former.is_file() and former.stat().st_mtime < oldest:
                former.unlink()


def _place(settings: Settings, name: str, path: str | None) -> logging.Handler:
    if path:
        return WatchedFileHandler(path, encoding="utf-8")
    if settings.log_directory is None or KEPT in os.environ:
        return logging.StreamHandler(sys.stderr)
    try:
        settings.log_directory.mkdir(parents=True, exist_ok=True)
        return RetainedFile(settings.log_directory / f"{name}.log", settings)
    except OSError as error:
        sys.stderr.write(
            f"LOG_DIRECTORY={settings.log_directory}: {error.strerror}; the log is here instead\n"
        )
        return logging.StreamHandler(sys.stderr)
