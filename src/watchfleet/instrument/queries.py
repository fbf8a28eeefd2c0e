"""What is told of queries: how long they took, rows and errors by kind, and of a slow one all that helps.

Durations are samples of one series for each kind, from which the store makes mergeable histograms: counts and
percentiles of any time, over all processes of the service.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from watchfleet import correlation
from watchfleet.instrument import activity, repeats
from watchfleet.instrument.client import Client
from watchfleet.instrument.faults import guarded
from watchfleet.instrument.fingerprint import LONGEST, key_of, text_of
from watchfleet.instrument.lifetime import lifetime
from watchfleet.model import Activity, Kind

SLOW: Final = "SLOW_QUERY_SECONDS"
MOST_KINDS: Final = 200
"""Kinds that one process tells apart; further ones are `other`."""
OTHER: Final = "other"
_MOST_TEXTS: Final = 5_000
_MOST_PARAMETERS: Final = 20
_OPERATIONS: Final = {"SELECT", "INSERT", "UPDATE", "DELETE", "COPY", "CREATE", "ALTER", "DROP", "WITH"}
_LIBRARIES: Final = ("sqlalchemy", "watchfleet.instrument", "contextlib", "greenlet", "flask_sqlalchemy")


class QueryKind:
    """Statements that differ in their values alone.

    Args:
        client: Where to record.
        key: The fingerprint.
        operation: The first word.
        text: A statement of the kind, without its values.
    """

    def __init__(self, client: Client, key: str, operation: str, text: str) -> None:
        self.key, self.operation, self.text = key, operation, text
        self._client, self._slow = client, slow_seconds(os.environ)
        labels = {"operation": operation, "fingerprint": key}
        self._duration = client.series("db_query_duration_seconds", Kind.DURATION, **labels)
        self._rows = client.series("db_query_rows_total", Kind.EVENT, **labels)

    def ended(self, seconds: float, rows: int, error: BaseException | None = None, given: Any = None) -> None:
        """Record a query of the kind.

        Args:
            seconds: How long it took.
            rows: How many rows it brought or changed; negative if that is not known.
            error: What it failed with.
            given: Its parameters, of which types and lengths are told alone.
        """
        client = self._client
        client.observe(self._duration, seconds)
        asked_by = repeats.current.get()
        if asked_by is not None:
            asked_by.add(self, seconds)
        if rows > 0:
            client.count(self._rows, rows)
        if error is not None:
            self._count("db_query_errors_total", operation=self.operation, exception=type(error).__name__)
        if seconds >= self._slow:
            self._count("watchfleet_slow_queries_total")
            self._tell(seconds, rows, error, given)

    def _count(self, name: str, **labels: str) -> None:
        self._client.count(self._client.series(name, Kind.EVENT, fingerprint=self.key, **labels))

    def _tell(self, seconds: float, rows: int, error: BaseException | None, given: Any) -> None:
        detail = {
            "fingerprint": self.key,
            "statement": self.text,
            "parameters": shapes(given),
            "error": type(error).__name__ if error is not None else None,
            "rows": rows if rows >= 0 else None,
            "call_site": call_site(),
            **running_task(),
        }
        if span := correlation.current_span():
            detail["trace_id"] = span.trace_id
        with correlation.bound(correlation.current()):
            activity.record("query", self.operation, seconds, **detail)


class Kinds:
    """The kinds of statements that one client has met, by their text.

    Args:
        client: Whose series they have.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._of_text: dict[str, QueryKind] = {}
        self._of_key: dict[str, QueryKind] = {}

    def of(self, statement: str) -> QueryKind:
        """The kind of a statement."""
        found = self._of_text.get(statement)
        if found is None:
            if len(self._of_text) >= _MOST_TEXTS:
                self._of_text.clear()
            found = self._of_text[statement] = self._kind(statement)
        return found

    def named(self, name: str) -> QueryKind:
        """The kind of what the host itself names."""
        return self._of_key.get(name) or self._new(name, "tracked", name)

    def _kind(self, statement: str) -> QueryKind:
        key = key_of(statement)
        return self._of_key.get(key) or self._new(key, operation(statement), text_of(statement))

    def _new(self, key: str, verb: str, text: str) -> QueryKind:
        if len(self._of_key) >= MOST_KINDS:
            key, verb, text = OTHER, OTHER, OTHER
        else:
            service = {"service": self.client.service}
            self.client.record(
                Activity("statement", time.time(), correlation.new(), key, {"statement": text, **service})
            )
        return self._of_key.setdefault(key, QueryKind(self.client, key, verb, text))


_kinds: Kinds | None = None


def kinds() -> Kinds | None:
    """Those of this process's client; None before there is one."""
    global _kinds  # noqa: PLW0603 - one a process, as the client is
    client = lifetime.client
    if client is None:
        return None
    if _kinds is None or _kinds.client is not client:
        _kinds = Kinds(client)
    return _kinds


@contextmanager
def track_query(name: str) -> Iterator[None]:
    """Measure what SQLAlchemy does not see, such as a query of another database, as a kind of query.

    As a decorator of a function, or around a block. `name` is the kind, so one for all values.

    Args:
        name: What it is shown as, up to 200 characters.
    """
    started, error = time.perf_counter(), None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        _tracked(name[:200], time.perf_counter() - started, error)


@guarded("track_query")
def _tracked(name: str, seconds: float, error: BaseException | None) -> None:
    known = kinds()
    if known is not None:
        known.named(name).ended(seconds, -1, error)


def operation(statement: str) -> str:
    """The statement's first word in upper case, such as `SELECT`; `other` when it is none that we know."""
    words = statement.split(None, 1)
    word = words[0].upper() if words else ""
    return word if word in _OPERATIONS else OTHER


def slow_seconds(environment: Mapping[str, str]) -> float:
    """From how many seconds on a query is slow: `SLOW_QUERY_SECONDS`, by default 1.

    Raises:
        ValueError: It is no number.
    """
    return float(environment.get(SLOW) or 1.0)


def shapes(given: Any) -> str:
    """Parameters without their values: `id=int, name=str(12)`; of many sets, those of the first."""
    if isinstance(given, list) and given and isinstance(given[0], Mapping | tuple):
        given = given[0]
    if isinstance(given, Mapping):
        pairs = [f"{name}={_shape(value)}" for name, value in list(given.items())[:_MOST_PARAMETERS]]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        pairs = [_shape(value) for value in given[:_MOST_PARAMETERS]]
    else:
        pairs = []
    return ", ".join(pairs)[:LONGEST]


def _shape(value: Any) -> str:
    name = type(value).__name__
    return f"{name}({len(value)})" if isinstance(value, str | bytes | list | tuple) else name


def call_site() -> str:
    """The line of the host that asked, as `app/views.py:12 in index`; empty if only libraries did."""
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a frame that costs no traceback
    while frame.f_back is not None:
        frame = frame.f_back
        name = frame.f_globals.get("__name__") or ""
        if not name.startswith(_LIBRARIES):
            return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
    return ""


def running_task() -> dict[str, str]:
    """The Celery task that runs here."""
    celery = sys.modules.get("celery")
    task = celery.current_task if celery is not None else None
    return {"task": task.name, "task_id": task.request.id} if task else {}
