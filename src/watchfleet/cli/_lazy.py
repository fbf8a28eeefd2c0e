"""Groups of commands that are imported when they are called."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose subcommands are imported when called: each costs only its own imports.

    Args:
        members: Where each subcommand is, `module:attribute` by its name, in the order of the help.
    """

    def __init__(self, *args: Any, members: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._members = members

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the base class's signature
        """Every subcommand, in the order in which a newcomer meets them."""
        return list(self._members)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """The subcommand of that name."""
        if cmd_name not in self._members:
            return None
        module, attribute = self._members[cmd_name].split(":")
        command: Any = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._members[cmd_name]} is not a command")
        return command
