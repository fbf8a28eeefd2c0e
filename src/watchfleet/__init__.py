"""Monitoring on the Celery, Redis and Postgres that you already run.

import watchfleet
from watchfleet.signals import account_scraped

watchfleet.instrument(app)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchfleet import correlation as correlation
    from watchfleet import signals as signals
    from watchfleet.instrument.alerting import alert as alert
    from watchfleet.instrument.entry import instrument as instrument
    from watchfleet.instrument.heartbeat import heartbeat as heartbeat
    from watchfleet.instrument.queries import track_query as track_query
    from watchfleet.instrument.tracked import track_memory as track_memory

__version__ = "0.1.0.dev0"

_PUBLIC = {"alert", "correlation", "heartbeat", "instrument", "signals", "track_memory", "track_query"}
_WITHIN = {
    "alert": "instrument.alerting",
    "heartbeat": "instrument.heartbeat",
    "track_memory": "instrument.tracked",
    "track_query": "instrument.queries",
}


def __getattr__(name: str) -> Any:
    """Import the public parts when they are first asked for: the fleet's own processes need neither."""
    if name in _WITHIN:
        return getattr(import_module(f"{__name__}.{_WITHIN[name]}"), name)
    if name in _PUBLIC:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_PUBLIC.union(globals()))
