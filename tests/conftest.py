"""Fixtures that every kind of test uses: real servers on free ports, gone when the tests end."""

from hypothesis import settings

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
