"""Alert rules."""

from collections.abc import Sequence
from typing import Final

from celery import shared_task

from tasks.alerts import wake
from watchfleet.clock import utcnow
from watchfleet.notify.policy import get_policy
from watchfleet.rules.bell import Ringer
from watchfleet.rules.evaluate import evaluate_due, evaluate_named
from watchfleet.rules.library import get_library
from watchfleet.settings import get_settings

EVALUATE_EXPIRES: Final = 15.0
"""Seconds: after them the periodic evaluation has come by."""


@shared_task(name="watchfleet.rules.evaluate", time_limit=120, soft_time_limit=110)
def evaluate() -> int:
    """Evaluate the groups that are due; returns how many alerts changed."""
    policy = get_policy(get_settings())
    done = evaluate_due(get_library(), utcnow(), policy, wake)
    return sum(len(each.transitions) for each in done)


@shared_task(name="watchfleet.rules.evaluate_now", time_limit=120, soft_time_limit=110)
def evaluate_now(groups: list[str]) -> int:
    """Evaluate groups that have new data; returns how many alerts changed."""
    policy = get_policy(get_settings())
    done = evaluate_named(get_library(), groups, utcnow(), policy, wake)
    return sum(len(each.transitions) for each in done)


def call(groups: Sequence[str]) -> None:
    """Have groups evaluated at once."""
    evaluate_now.apply_async((list(groups),), expires=EVALUATE_EXPIRES, retry=False)


ringer: Final = Ringer(call)
"""To be told of the series that samples arrived for."""
