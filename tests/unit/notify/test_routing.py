"""Who hears of an alert without a configuration."""

import pytest
from support.policies import policy_for

from watchfleet.notify.routing import severity

NAMES = ("log", "webhook", "email", "slack", "sentry")


def told(*channels: str, own: tuple[str, ...] | None = None, **labels: str) -> set[str]:
    policy = policy_for(channels)
    return {each.channel for node in policy.nodes(labels, own) for each in policy.destinations(node)}


@pytest.mark.parametrize(
    ("of", "channels"),
    [
        ("info", {"log"}),
        ("warning", {"log", "slack"}),
        ("critical", set(NAMES)),
        ("Critical", set(NAMES)),
        ("page", {"log", "slack"}),
        ("", {"log", "slack"}),
    ],
)
def test_it_goes_by_severity(of: str, channels: set[str]) -> None:
    assert told(*NAMES, severity=of) == channels


def test_a_channel_that_is_off_hears_nothing() -> None:
    assert told("log", severity="critical") == {"log"}
    assert told(severity="warning") == set()


def test_a_rules_own_channels_win() -> None:
    assert told(*NAMES, own=("email",), severity="info") == {"email"}
    assert told("log", own=("email",), severity="critical") == set()


@pytest.mark.parametrize(
    ("labels", "found"),
    [({}, "warning"), ({"severity": "page"}, "warning"), ({"severity": "Critical"}, "critical")],
)
def test_a_severity_that_is_not_known_is_a_warning(labels: dict[str, str], found: str) -> None:
    assert severity(labels) == found
