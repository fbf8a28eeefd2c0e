"""What follows a failed try."""

import pytest

from watchfleet.errors import DeliveryError
from watchfleet.notify.retry import LONGEST, LONGEST_ASKED, MAX_ATTEMPTS, failed, pause


def error(*, permanent: bool = False, retry_after: float | None = None) -> DeliveryError:
    return DeliveryError("http_500", permanent=permanent, retry_after=retry_after, detail="down")


def test_a_permanent_error_ends_it_with_its_own_reason() -> None:
    outcome = failed(error(permanent=True), 1, lambda: 0.5)
    assert (outcome.state, outcome.reason, outcome.wait) == ("dead", "http_500", None)


def test_the_last_try_ends_it() -> None:
    assert failed(error(), MAX_ATTEMPTS - 1, lambda: 0.5).state == "retry"
    outcome = failed(error(), MAX_ATTEMPTS, lambda: 0.5)
    assert (outcome.state, outcome.reason) == ("dead", "max_attempts")
    assert "http_500: down" in outcome.detail


@pytest.mark.parametrize(("attempts", "longest"), [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (5000, 300)])
def test_pauses_double_up_to_the_longest_and_are_jittered_from_nothing_to_all(
    attempts: int, longest: float
) -> None:
    assert pause(attempts, None, 0.0) == 0
    assert pause(attempts, None, 0.5) == longest / 2
    assert pause(attempts, None, 1.0) == longest <= LONGEST


def test_a_pause_that_is_asked_for_is_kept_up_to_an_hour() -> None:
    assert pause(1, 120.0, 0.25) == 120.25
    assert pause(1, 1e9, 0.0) == LONGEST_ASKED
    assert failed(error(retry_after=120), 1, lambda: 0.0).wait == 120
