"""`watchfleet logs`: what was logged, searched, and kept in bounds."""

from typing import Final

import click

from watchfleet.cli.logs_clean import clean
from watchfleet.cli.logs_histogram import histogram
from watchfleet.cli.logs_search import search
from watchfleet.cli.logs_show import show
from watchfleet.cli.logs_tail import tail


class DefaultGroup(click.Group):
    """A group of which one member, `default`, is meant when none is named."""

    default: Final = show

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`logs -f alerts` is `logs show -f alerts`."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [str(self.default.name), *args]
        return super().parse_args(ctx, args)


@click.group(cls=DefaultGroup)
def logs() -> None:
    """See and search what was logged, and keep it in bounds.

    Without a command it is `show`.

    \b
    Examples:
      watchfleet logs -f alerts
      watchfleet logs search 'timed out' --from 2h --level warning
      watchfleet logs clean --dry-run
    """


for _command in (show, search, tail, histogram, clean):
    logs.add_command(_command)
