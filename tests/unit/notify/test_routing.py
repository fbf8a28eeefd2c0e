"""Who hears of an alert."""

import pytest

from watchfleet.model import Destination, Severity
from watchfleet.notify.routing import route, severity

NAMES = ("log", "webhook", "email", "slack", "sentry", "pager")
ALL = tuple(map(Destination, NAMES))


@pytest.mark.parametrize(
    ("of", "told"),
    [(Severity.INFO, ("log",)), (Severity.WARNING, ("log", "slack")), (Severity.CRITICAL, NAMES)],
)
def test_the_default_route_goes_by_severity(of: Severity, told: tuple[str, ...]) -> None:
    assert tuple(each.channel for each in route(of, ALL)) == told


def test_a_channel_that_is_off_hears_nothing() -> None:
    assert route(Severity.CRITICAL, [Destination("log")]) == (Destination("log"),)
    assert route(Severity.WARNING, []) == ()


@pytest.mark.parametrize(
    ("labels", "found"),
    [({}, "warning"), ({"severity": "page"}, "warning"), ({"severity": "Critical"}, "critical")],
)
def test_a_severity_that_is_not_known_is_a_warning(labels: dict[str, str], found: str) -> None:
    assert severity(labels) == found
