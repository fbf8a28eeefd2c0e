"""Send what a process logs to one place: JSON lines or text, without secrets, in a file that many share."""

import logging
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from watchfleet.logs.format import FORMATTERS
from watchfleet.logs.options import Form, LogOptions, environment_options
from watchfleet.logs.shared_file import SharedFile

_UNFIT: Final = re.compile(r"[^A-Za-z0-9._@-]|^\.")
_OURS: Final = "_watchfleet"


def configure_logging(
    name: str = "app",
    *,
    level: int | str = logging.INFO,
    directory: str | Path | None = None,
    form: Form | None = None,
    options: LogOptions | None = None,
) -> logging.Handler:
    """Send every log record of this process to `<directory>/<name>.log`, or to standard error.

    Any number of processes may use the same name: lines are neither lost nor torn, also when the file is
    rotated, by one of them or from outside. What is not given comes from the `LOG_` variables. Calling it
    again replaces what it did before; other handlers stay. Celery leaves the log alone afterwards.

    Args:
        name: The file's name without `.log`.
        level: The lowest level that is written.
        directory: Where the file is; it is made if it is not there.
        form: `json` for one JSON object a line, `text` for people.
        options: Instead of the variables, as `LogOptions.of(settings)` gives them.

    Returns:
        The handler that was added to the root logger.
    """
    chosen = options or environment_options()
    chosen = replace(
        chosen,
        directory=chosen.directory if directory is None else Path(directory),
        form=form or chosen.form,
    )
    return install(make_handler(name, chosen), chosen.form, level)


def install(handler: logging.Handler, form: Form, level: int | str) -> logging.Handler:
    """Have this process log through a handler, in place of the last one that this installed."""
    handler.setFormatter(FORMATTERS[form]())
    root = logging.getLogger()
    for former in [one for one in root.handlers if getattr(one, _OURS, False)]:
        root.removeHandler(former)
        former.close()
    setattr(handler, _OURS, True)
    root.addHandler(handler)
    root.setLevel(level)
    _keep_celery_off()
    return handler


def make_handler(name: str, options: LogOptions) -> logging.Handler:
    """Where the log of `name` goes: a file in the directory; standard error if that cannot be had."""
    if options.directory is None:
        return logging.StreamHandler(sys.stderr)
    try:
        options.directory.mkdir(parents=True, exist_ok=True)
        return SharedFile(options.directory / f"{_UNFIT.sub('_', name)}.log", options)
    except OSError as error:
        sys.stderr.write(f"LOG_DIRECTORY={options.directory}: {error.strerror}; the log is here instead\n")
        return logging.StreamHandler(sys.stderr)


def _keep_celery_off() -> None:
    """A Celery worker replaces the root logger's handlers, unless somebody says that the log is set up."""
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.setup_logging.connect(_is_set_up, weak=False, dispatch_uid="watchfleet.logs")


def _is_set_up(**_: object) -> None:
    """Being there is what it is for."""
