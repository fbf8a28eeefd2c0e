"""Finds Flask applications that nobody named: each is met at its first request."""

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from flask import Flask

from watchfleet.instrument.wrapping import wrap_once


def watch(meet: Callable[[Flask], None]) -> None:
    """Have `meet` called with each application before its first request; a second call changes nothing.

    Args:
        meet: Must not raise, and do nothing for an application that it has met.
    """
    met: WeakSet[Flask] = WeakSet()
    lock = threading.Lock()

    def meeting(call: Callable[..., Any]) -> Callable[..., Any]:
        def call_met(app: Flask, environ: Any, start_response: Any) -> Any:
            if app not in met:
                with lock:
                    meet(app)
                    met.add(app)
            return call(app, environ, start_response)

        return call_met

    wrap_once(Flask, "__call__", meeting)
