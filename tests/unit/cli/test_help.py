"""`--help` of every command tells what it does, with examples that stand one a line."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from watchfleet.cli import cli


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command's words, groups and their members."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None
            yield from commands(member, (*path, name))


@pytest.mark.parametrize("path", list(commands(cli)), ids=" ".join)
def test_help_explains_the_command(path: tuple[str, ...]) -> None:
    said = CliRunner().invoke(cli, [*path, "--help"], prog_name="watchfleet")
    assert said.exit_code == 0
    assert "\\b" not in said.output
    lines = [line.strip() for line in said.output.splitlines()]
    assert "Examples:" in lines
    assert any(line.startswith(" ".join(("watchfleet", *path))) for line in lines[1:])
