"""The circuit breaker that a whole fleet of processes shares.

from watchfleet.breaker import Breaker, Policy

payments = Breaker("payments", Policy(failure_rate_threshold=25))

Needs `redis`. `watchfleet.breaker.requests` and `watchfleet.breaker.celery` join it to those libraries.
"""

from watchfleet.breaker.circuit import Breaker, Call, acquire_all, record_all
from watchfleet.breaker.errors import CallNotPermittedError
from watchfleet.breaker.events import Event, Kind
from watchfleet.breaker.link import Link
from watchfleet.breaker.policy import Policy
from watchfleet.breaker.states import Outcome, Permit, Recorded, State, Transition

__all__ = [
    "Breaker",
    "Call",
    "CallNotPermittedError",
    "Event",
    "Kind",
    "Link",
    "Outcome",
    "Permit",
    "Policy",
    "Recorded",
    "State",
    "Transition",
    "acquire_all",
    "record_all",
]
