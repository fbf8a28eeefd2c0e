"""Finds what an application is made of, and has each part measured, traced and correlated."""

import sys
from importlib import import_module
from typing import Any, Final

from watchfleet.instrument import celery, tracing
from watchfleet.instrument.correlation import celery as correlation_celery
from watchfleet.instrument.correlation import logging
from watchfleet.instrument.faults import faults

_PACKAGE: Final = "watchfleet.instrument"


def join(app: Any, engine: Any, *, traced: bool) -> None:
    """Connect to an application, and to every library that it has imported and did not name a part of.

    Args:
        app: A Flask or a Celery application, an SQLAlchemy engine, or None.
        engine: An SQLAlchemy engine or None.
        traced: Whether there are spans.

    Raises:
        TypeError: One of them is something else. Everything else is connected.
    """
    logging.install()
    if traced:
        tracing.install("celery")
    correlation_celery.install()
    celery.install()
    _found("requests", _join_requests, traced)
    if not any(map(_is_flask, (app, engine))):
        _found("flask", _watch_flask, traced)
    if not any(map(_engine, (app, engine))):
        _found("sqlalchemy", _join_engine, traced)
    for host in (app, engine):
        if host is not None:
            _join_host(host, traced)


def is_instance(host: Any, module: str, name: str) -> bool:
    """Whether it is an instance of a class whose module, if it is not imported, it cannot be of."""
    return module in sys.modules and isinstance(host, getattr(sys.modules[module], name))


def _found(library: str, connect: Any, traced: bool) -> None:  # noqa: FBT001 - what `join` was told
    """Connect to a library if it is imported. One that cannot be is no reason to leave out the others."""
    if library not in sys.modules:
        return
    try:
        connect(traced)
    except Exception as error:  # noqa: BLE001 - the host must not suffer from any fault of ours
        faults.note(library, type(error).__name__, error)


def _join_host(host: Any, traced: bool) -> None:  # noqa: FBT001 - what `join` was told
    if is_instance(host, "celery", "Celery"):
        return
    if _is_flask(host):
        _join_flask(host, traced)
    elif (engine := _engine(host)) is not None:
        _join_engine(traced, engine)
    else:
        raise TypeError(f"{type(host).__name__} is no Flask or Celery application and no SQLAlchemy engine")


def _is_flask(host: Any) -> bool:
    return is_instance(host, "flask", "Flask")


def _engine(host: Any) -> Any:
    """The engine that it is, or that an asynchronous one is made of; else None."""
    if is_instance(host, "sqlalchemy.ext.asyncio", "AsyncEngine"):
        return host.sync_engine
    return host if is_instance(host, "sqlalchemy", "Engine") else None


def _join_requests(traced: bool) -> None:  # noqa: FBT001 - what `join` was told
    if traced:
        tracing.install("requests")
    import_module(f"{_PACKAGE}.correlation.requests").install()


def _watch_flask(traced: bool) -> None:  # noqa: FBT001 - what `join` was told
    import_module(f"{_PACKAGE}.flask_apps").watch(
        lambda app: _found("flask", lambda traced: _join_flask(app, traced), traced)
    )


def _join_flask(app: Any, traced: bool) -> None:  # noqa: FBT001 - what `join` was told
    if traced:
        tracing.install("flask", app)
    import_module(f"{_PACKAGE}.correlation.flask").install(app)
    import_module(f"{_PACKAGE}.flask").install(app)


def _join_engine(traced: bool, *engine: Any) -> None:  # noqa: FBT001 - what `join` was told
    if traced:
        tracing.install("sqlalchemy", *engine)
    import_module(f"{_PACKAGE}.sqlalchemy").install(*engine)
