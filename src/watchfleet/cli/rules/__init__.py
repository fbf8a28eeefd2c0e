"""`watchfleet rules`: alert rules and recording rules. One file a subcommand."""

from typing import Final

import click

from watchfleet.cli._lazy import LazyGroup

COMMANDS: Final = {
    "check": "watchfleet.cli.rules.check:check",
}


@click.group(cls=LazyGroup, members=COMMANDS)
def rules() -> None:
    """Check and test rule files.

    \b
    Examples:
      watchfleet rules check rules/*.yml
    """
