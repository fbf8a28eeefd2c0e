"""`watchfleet rules check`: what is wrong in rule files."""

import sys
from pathlib import Path

import click

from watchfleet.redact import redact
from watchfleet.rules.files import Loaded, load
from watchfleet.rules.model import RuleKind


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Check the rule files FILE...

    Tells of everything that is wrong the file, the line, the column and what to write instead, and exits 2 if
    anything is.

    \b
    Examples:
      watchfleet rules check rules/*.yml
    """
    checked = [load(path) for path in files]
    for one in checked:
        click.echo(_summary(one))
        for problem in one.problems:
            click.echo(f"  {redact(str(problem))}", err=True)
    if any(one.problems for one in checked):
        sys.exit(2)


def _summary(one: Loaded) -> str:
    rules = [rule for group in one.file.groups for rule in group.rules]
    alerts = sum(rule.kind is RuleKind.ALERT for rule in rules)
    count = f"{_count(alerts, 'alerting rule')}, {_count(len(rules) - alerts, 'recording rule')}"
    if one.problems:
        return f"{one.file.path}: {_count(len(one.problems), 'problem')}; {count} without one"
    return f"{one.file.path}: fine; {count}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
