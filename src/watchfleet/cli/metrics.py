"""`watchfleet metrics`: questions about metrics in the store."""

import click

from watchfleet.cli.metrics_retention import retention
from watchfleet.cli.metrics_trend import trend


@click.group()
def metrics() -> None:
    """Ask about metrics in the store.

    \b
    Examples:
      watchfleet metrics trend disk_free_bytes --since 14d
    """


metrics.add_command(retention)
metrics.add_command(trend)
