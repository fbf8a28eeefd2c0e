"""The life of a worker process: its log, what a fork must not share, and how it ends.

Celery itself sets `PR_SET_PDEATHSIG` in the children of a prefork pool, so that on Linux they die with a
parent that was killed. What is left to do: a parent that died before that, and systems without it.
"""

import gc
import logging
import os
import signal
import sys
import threading
import time
from typing import Any, Final

from celery import current_app, signals

from workers import logs

COLLECT_AFTER: Final = 20_000
"""New objects after which the youngest are looked at."""
PARENT_CHECK: Final = 1.0
"""Seconds between two looks for the parent, on systems that cannot signal its death."""


class _Process:
    """What the signals tell of this process, one after the other.

    Attributes:
        name: Whose log this is.
        level: The log's level.
        path: The log's file, if one was named on the command line.
        pid: The parent of the pool's children.
        cold: Whether running tasks can be handed back while they run.
    """

    name = "beat"
    level = logging.INFO
    path: str | None = None
    pid = 0
    cold = True


def _remember_node(sender: str, **_: Any) -> None:
    _Process.name = sender.partition("@")[0]


def _remember_pool(sender: Any, **_: Any) -> None:
    _Process.pid = os.getpid()
    # The solo pool runs a task in the main thread, below the handler that would hand it back: it is lost.
    _Process.cold = "solo" not in str(sender.pool_cls)


def _configure_log(loglevel: int, logfile: str | None, **_: Any) -> None:
    _Process.level, _Process.path = loglevel, logfile
    logs.configure(loglevel, _Process.name, logfile)


def _rename_log(sender: Any, **_: Any) -> None:
    if sender.hostname:  # beat has no name before
        logs.configure(_Process.level, sender.hostname.partition("@")[0], _Process.path)


def _start_child(sender: str, **_: Any) -> None:
    if os.getpid() == _Process.pid:
        return  # the solo pool's tasks run in the worker itself
    logs.configure(_Process.level, sender.partition("@")[0], _Process.path)
    if not sys.platform.startswith("linux"):
        threading.Thread(target=_die_with, args=(os.getppid(),), name="parent-watch", daemon=True).start()
    elif _Process.pid not in {0, os.getppid()}:
        os._exit(1)


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK)
    os._exit(1)


def _bound_shutdown(how: str, **_: Any) -> None:
    """On SIGTERM, let running tasks end, but only as long as `worker_soft_shutdown_timeout`.

    Celery's own soft shutdown sleeps for the whole of it, even when nothing runs. Here a worker ends as soon
    as its tasks have; those that are left get the cold shutdown, which hands their messages back.
    """
    conf = current_app.conf
    if how == "Warm" and _Process.cold and conf.worker_soft_shutdown_timeout:
        escalation = threading.Timer(
            conf.worker_soft_shutdown_timeout, os.kill, (os.getpid(), signal.SIGQUIT)
        )
        conf.worker_soft_shutdown_timeout = 0
        escalation.daemon = True
        escalation.start()


def _spare_collector(**_: Any) -> None:
    """Have the garbage collector leave alone what is there for good, and look at the rest more rarely.

    With Python's own thresholds it took a tenth of the CPU time of a worker that probes: thousands of results
    make no cycle, and each of its rounds looks at every module of the process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


signals.celeryd_init.connect(_remember_node)
signals.worker_init.connect(_remember_pool)
signals.setup_logging.connect(_configure_log)
signals.beat_init.connect(_rename_log)
signals.worker_process_init.connect(_start_child)
signals.worker_init.connect(_spare_collector)
signals.worker_shutting_down.connect(_bound_shutdown)
