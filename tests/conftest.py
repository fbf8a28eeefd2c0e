"""Fixtures that every kind of test uses: real servers on free ports, gone when the tests end."""

pytest_plugins = [
    "support.skips",
    "support.servers",
    "support.mortal",
    "support.wheels",
    "support.fleet",
    "support.rabbitmq",
    "support.celery_nodes",
]
