"""`celery_workers`: do the workers that should be there answer a broadcast?

It waits for those that are expected and not, as `celery inspect ping` does, for a full second. A busy
`solo` worker does not answer; a busy worker of another pool does.
"""

import re
from collections.abc import Iterable
from threading import Lock
from time import monotonic
from typing import Any, Final

from kombu.pidbox import Mailbox
from pydantic import Field, SecretStr

from watchfleet import fleet
from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes import reasons
from watchfleet.probes.brokers import FAILURES, broker_url, connected
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason

MOST_NODES: Final = 1000
SILENCE: Final = 2.0
"""Seconds without an answer after which nobody else is waited for."""


class WorkersOptions(Options):
    """The settings of `celery_workers`."""

    url: SecretStr | None = Field(None, description="The broker. Not set: the fleet's own.")
    expected: list[str] = Field(
        default_factory=list,
        description="Nodes that must answer, as `name@host`, or as `name` on any host. "
        "Not set: the fleet's own worker families.",
    )


class _EnoughError(Exception):
    """Everybody that we wait for has answered."""


class _Census:
    """The nodes that have answered one broadcast, and those that we still wait for."""

    def __init__(self, expected: Iterable[str], known: Iterable[str]) -> None:
        self.expected, self._awaited = list(expected), set(known)
        self.answered: set[str] = set()

    def count(self, reply: dict[str, Any]) -> None:
        """Take one reply.

        Raises:
            _EnoughError: It was the last that we wait for.
        """
        self.answered.update(reply)
        enough = not self.missing() and self._awaited <= self.answered
        if (enough and (self.expected or self._awaited)) or len(self.answered) >= MOST_NODES:
            raise _EnoughError

    def missing(self) -> list[str]:
        """What is expected and has not answered."""
        names = {node.partition("@")[0] for node in self.answered} | self.answered
        return [name for name in self.expected if name not in names]


STARTING_SECONDS: Final = 30.0
"""After this process's start: so long, workers that are missing may still be starting, as it was."""

_began = monotonic()
_mailbox = Mailbox("celery", type="fanout", accept=["json"], serializer="json")
_known: dict[str, set[str]] = {}
_known_lock = Lock()


def probe(target: Target, options: WorkersOptions, deadline: Deadline) -> ProbeResult:
    """Broadcast a ping and see who answers."""
    attempt = Attempt(target)
    expected = options.expected or ([] if options.url else _families())
    census = _Census(expected, _known.get(target.name, set()))
    try:
        _broadcast(broker_url(options.url), census, deadline)
    except LookupError as error:
        return attempt.unknown(Reason.PROBE_ERROR, str(error))
    except FAILURES as error:
        return attempt.unknown(reasons.of_exception(error), "the broker cannot be reached")
    with _known_lock:
        # Who answered is waited for next time, so that a slow node of a large pool is not overlooked.
        _known[target.name] = census.answered
    return _verdict(attempt, census, is_own=target.own)


def _families() -> list[str]:
    return [family.name for family in fleet.families()]


def _broadcast(url: str, census: _Census, deadline: Deadline) -> None:
    names = "|".join(re.escape(name) for name in census.expected)
    # Others on the same broker, beat among them, are not asked.
    asked = {"matcher": "pcre", "pattern": f"^(?:{names})(?:@|$)"} if names else {}
    with connected(url, deadline) as connection:
        try:
            _mailbox(connection)._broadcast(  # noqa: SLF001 - as Celery does; `multi_call` knows no pattern
                "ping",
                reply=True,
                timeout=min(SILENCE, deadline.remaining()),
                callback=census.count,
                **asked,
            )
        except _EnoughError:
            return


def _verdict(attempt: Attempt, census: _Census, *, is_own: bool) -> ProbeResult:
    values = [Measurement("celery_worker_up", 1.0, {"hostname": node}) for node in sorted(census.answered)]
    values.append(Measurement("celery_workers_answering", float(len(census.answered))))
    missing = census.missing()
    if missing and is_own and monotonic() - _began < STARTING_SECONDS:
        return attempt.unknown(Reason.STARTING, f"no answer yet from {', '.join(missing)}")
    if missing:
        return attempt.down(Reason.WORKERS_MISSING, f"no answer from {', '.join(missing)}", values)
    if not census.answered:
        return attempt.down(Reason.WORKERS_MISSING, "no worker answers", values)
    return attempt.up(values)
