"""`watchfleet rules`: alert rules and recording rules. One file a subcommand."""

from typing import Final

import click

from watchfleet.cli._lazy import LazyGroup

COMMANDS: Final = {
    "list": "watchfleet.cli.rules.list:list_rules",
    "show": "watchfleet.cli.rules.show:show",
    "enable": "watchfleet.cli.rules.change:enable",
    "disable": "watchfleet.cli.rules.change:disable",
    "set": "watchfleet.cli.rules.change:set_values",
    "backtest": "watchfleet.cli.rules.backtest:backtest",
    "check": "watchfleet.cli.rules.check:check",
    "test": "watchfleet.cli.rules.test:test",
}


@click.group(cls=LazyGroup, members=COMMANDS)
def rules() -> None:
    """Show, change, check and test rules.

    \b
    Examples:
      watchfleet rules list
      watchfleet rules set DependencyDown checks=3
      watchfleet rules backtest DependencyDown --since 7d
      watchfleet rules check rules/*.yml
      watchfleet rules test rules/*_test.yml
    """
