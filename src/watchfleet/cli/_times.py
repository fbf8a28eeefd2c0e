"""Times on the command line: `2h` ago or from now, or an instant of RFC 3339."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

from watchfleet.clock import parse_duration, utcnow

Command = TypeVar("Command", bound=Callable[..., Any])


class Moment(click.ParamType[datetime]):
    """An instant, or how far it is from now.

    Args:
        direction: -1 for how long ago, 1 for how far ahead.
    """

    name = "TIME"

    def __init__(self, direction: int) -> None:
        self._direction = direction

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The instant."""
        found = _instant(value)
        if found is not None:
            return found
        try:
            return utcnow() + self._direction * parse_duration(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write it like 2h or 2026-11-25T12:00:00Z", param, ctx)


AGO: Final = Moment(-1)
AHEAD: Final = Moment(1)


def since_option(command: Command) -> Command:
    """The option `--since` of a command."""
    option = click.option("--since", type=AGO, help="Only what is newer, such as 2h or 2026-11-25T12:00:00Z.")
    return option(command)


def at(moment: datetime) -> str:
    """An instant for people."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _instant(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
