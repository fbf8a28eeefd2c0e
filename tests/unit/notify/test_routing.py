"""Who hears of an alert."""

import pytest

from watchfleet.model import Severity
from watchfleet.notify.routing import route, severity

ALL = ("log", "webhook", "email", "slack", "sentry", "pager")


@pytest.mark.parametrize(
    ("of", "told"),
    [(Severity.INFO, ("log",)), (Severity.WARNING, ("log", "slack")), (Severity.CRITICAL, ALL)],
)
def test_the_default_route_goes_by_severity(of: Severity, told: tuple[str, ...]) -> None:
    assert route(of, ALL) == told


def test_a_channel_that_is_off_hears_nothing() -> None:
    assert route(Severity.CRITICAL, ["log"]) == ("log",)
    assert route(Severity.WARNING, []) == ()


@pytest.mark.parametrize(
    ("labels", "found"),
    [({}, "warning"), ({"severity": "page"}, "warning"), ({"severity": "Critical"}, "critical")],
)
def test_a_severity_that_is_not_known_is_a_warning(labels: dict[str, str], found: str) -> None:
    assert severity(labels) == found
