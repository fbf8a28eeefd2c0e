"""The command `watchfleet`. One file a subcommand, imported when it is called."""

import sys
from importlib import import_module
from typing import Any, Final

import click

from watchfleet import __version__
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
    "query": "watchfleet.cli.query:query",
    "metrics": "watchfleet.cli.metrics:metrics",
    "rollups": "watchfleet.cli.rollups:rollups",
}


class Commands(click.Group):
    """A group whose subcommands are imported when called: each costs only its own imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the base class's signature
        """Every subcommand, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """The subcommand of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command: Any = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name]} is not a command")
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
        cli(prog_name="watchfleet")
    except WatchfleetError as error:
        print(f"watchfleet: {redact(str(error))}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
