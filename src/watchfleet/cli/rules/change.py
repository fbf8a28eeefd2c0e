"""`watchfleet rules enable`, `disable` and `set`: change a rule without touching its file."""

import getpass
import socket
from collections.abc import Mapping

import click

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.rules.library import get_library
from watchfleet.rules.naming import named
from watchfleet.rules.overrides import change
from watchfleet.rules.prepared import problems_of


def assignment(given: str) -> tuple[str, str]:
    """A setting as it is written on the command line."""
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{given!r} sets nothing; write it like threshold=0.9")
    return name, value


@click.command()
@click.argument("name")
def enable(name: str) -> None:
    """Switch the rule NAME on, from its next evaluation.

    \b
    Examples:
      watchfleet rules enable SlowQueries
    """
    _switch(name, enabled=True)


@click.command()
@click.argument("name")
def disable(name: str) -> None:
    """Switch the rule NAME off, from its next evaluation; its alerts end.

    \b
    Examples:
      watchfleet rules disable SlowQueries
    """
    _switch(name, enabled=False)


@click.command("set")
@click.argument("name")
@click.argument("settings", type=assignment, nargs=-1, required=True, metavar="KEY=VALUE...")
def set_values(name: str, settings: tuple[tuple[str, str], ...]) -> None:
    """Set parameters of the rule NAME, or its `for` and `keep_firing_for`, from its next evaluation.

    `watchfleet rules show NAME` lists the parameters. An empty value takes a setting back.

    \b
    Examples:
      watchfleet rules set DependencyDown checks=3
      watchfleet rules set ResourceExhaustion disk=0.05 for=10m
      watchfleet rules set DependencyDown checks=
    """
    given = dict(settings)
    for rule in named(get_library(), name):
        for problem in problems_of(rule, given):
            raise click.UsageError(problem)
    _save(name, settings={key: value or None for key, value in given.items()})


def _switch(name: str, *, enabled: bool) -> None:
    named(get_library(), name)
    _save(name, enabled=enabled)


def _save(
    name: str, *, enabled: bool | None = None, settings: Mapping[str, str | None] | None = None
) -> None:
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    with transaction() as connection:
        after = change(connection, name, who, utcnow(), enabled=enabled, settings=settings)
    facts = [f"{key}={value}" for key, value in after.settings.items()]
    if after.enabled is not None:
        facts.append("on" if after.enabled else "off")
    click.echo(f"{name}: {', '.join(facts) or 'as in its file'}, from the next evaluation")
