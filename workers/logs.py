"""Where the fleet's processes write their log."""

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from billiard import util
from gunicorn.config import Config
from gunicorn.glogging import Logger

from watchfleet.embedded.leftovers import MARK
from watchfleet.logs.options import LogOptions
from watchfleet.logs.shared_file import SharedFile
from watchfleet.logs.write import install, make_handler
from watchfleet.settings import get_settings

_QUIETER: Final = {
    "celery.worker.strategy": logging.WARNING,  # a line for each task that comes is what Flower is for
    "celery.app.trace": logging.WARNING,  # and for each that goes
    # At every start, for every queue: that a countdown would wait in the worker. Ours have none.
    "kombu.transport.native_delayed_delivery": logging.ERROR,
}


def configure(level: int, name: str, path: str | None = None) -> None:
    """Send every log record of this process to one place.

    That is `<name>.log` in LOG_DIRECTORY. Under `watchfleet up` it is standard error, which supervisord keeps
    there.

    Args:
        level: The lowest that is written.
        name: The process's name. Its children write the same file.
        path: Another file, which somebody else rotates.
    """
    options = LogOptions.of(get_settings())
    if MARK in os.environ:
        options = replace(options, directory=None)
    chosen = SharedFile(Path(path), None) if path else make_handler(name, options)
    place = install(chosen, options.form, level)
    for logger, lowest in _QUIETER.items():
        logging.getLogger(logger).setLevel(max(level, lowest) if level > logging.DEBUG else level)
    pool = util.get_logger()  # billiard's: it does not propagate
    pool.handlers[:] = [place]
    pool.setLevel(logging.ERROR)


class GunicornLogger(Logger):  # type: ignore[misc]  # no type information is published for gunicorn
    """Sends gunicorn's own news, and whatever else the web process logs, where the fleet's log goes."""

    def setup(self, cfg: Config) -> None:
        """Called by gunicorn in its parent, whose workers inherit it."""
        super().setup(cfg)
        configure(self.error_log.level, "web")
        for own in (self.error_log, self.access_log):
            own.handlers.clear()
            own.propagate = True
