"""`pytest --watchfleet-budgets`: a test that breaks a performance budget fails.

Tasks, requests and queries are measured as in production, and nothing of it is sent anywhere.
"""

from importlib import import_module

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("watchfleet").addoption(
        "--watchfleet-budgets",
        action="store_true",
        help="Fail a test in which a task, a request or a query breaks a budget of watchfleet.yml.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Measure from here on, if asked to."""
    if config.getoption("watchfleet_budgets"):
        # Whoever does not ask for it neither waits for its imports nor needs a pytest that it can use.
        config.pluginmanager.register(import_module("watchfleet.testing.budgets").Guard())
