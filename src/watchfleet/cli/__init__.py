"""The command `watchfleet`. One file a subcommand, imported when it is called."""

import sys
from typing import Final

import click

from watchfleet import __version__
from watchfleet.cli._lazy import LazyGroup
from watchfleet.cli._running import reach_running_fleet
from watchfleet.errors import ConfigError, WatchfleetError
from watchfleet.redact import redact

COMMANDS: Final = {
    "up": "watchfleet.cli.up:up",
    "down": "watchfleet.cli.up:down",
    "status": "watchfleet.cli.status:status",
    "logs": "watchfleet.cli.logs:logs",
    "doctor": "watchfleet.cli.doctor:doctor",
    "config": "watchfleet.cli.config:config",
    "db": "watchfleet.cli.db:db",
    "channels": "watchfleet.cli.channels:channels",
    "probe": "watchfleet.cli.probe:probe",
    "probes": "watchfleet.cli.probes:probes",
    "queries": "watchfleet.cli.queries:queries",
    "budgets": "watchfleet.cli.budgets:budgets",
    "query": "watchfleet.cli.query:query",
    "metrics": "watchfleet.cli.metrics:metrics",
    "memory": "watchfleet.cli.memory:memory",
    "rollups": "watchfleet.cli.rollups:rollups",
    "rules": "watchfleet.cli.rules:rules",
    "stats": "watchfleet.cli.stats:stats",
    "trace": "watchfleet.cli.trace:trace",
    "breakers": "watchfleet.cli.breakers:breakers",
    "notify": "watchfleet.cli.notify:notify",
    "alerts": "watchfleet.cli.alerts:alerts",
    "silences": "watchfleet.cli.silences:silences",
    "notifications": "watchfleet.cli.notifications:notifications",
}
ABOUT_THE_MACHINE: Final = frozenset(("up", "down", "status", "logs", "doctor", "config"))
"""Commands that do not ask the servers of a fleet, or bring them."""


@click.group(cls=LazyGroup, members=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="watchfleet")
def cli() -> None:
    """Monitoring on the Celery, Redis and Postgres that you already run.

    \b
    Examples:
      watchfleet up                    run the whole fleet here; Ctrl-C stops it
      watchfleet up --wait --detach    run it in the background, return when it is healthy
      watchfleet config check watchfleet.yml
    """


def main() -> None:
    """Run the command line; exits 1 on a failure, 2 on bad usage or bad configuration."""
    try:
        if ABOUT_THE_MACHINE.isdisjoint(sys.argv[1:2]):
            reach_running_fleet()
        cli(prog_name="watchfleet")
    except WatchfleetError as error:
        print(f"watchfleet: {redact(str(error))}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
