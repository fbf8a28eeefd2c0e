"""Fixtures that every kind of test uses: real servers on free ports, gone when the tests end."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from watchfleet import redact
from watchfleet.instrument.lifetime import lifetime

pytest_plugins = [
    "support.skips",
    "support.servers",
    "support.mortal",
    "support.wheels",
    "support.fleet",
    "support.rabbitmq",
    "support.celery_nodes",
]

# The same examples in every run: what fails here fails again, and a search for more has its own time.
# No deadline: how long an example takes is the machine's affair.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def registered_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test registers as a secret is none to the next."""
    monkeypatch.setattr(redact, "_registered", set())


@pytest.fixture(autouse=True)
def own_client() -> Iterator[None]:
    """What one test instruments does not report into the next one's broker."""
    yield
    made, lifetime.client = lifetime.client, None
    if made is not None:
        made.close(1)
