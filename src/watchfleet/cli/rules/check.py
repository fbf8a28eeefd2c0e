"""`watchfleet rules check`: what is wrong in rule files."""

import sys
from pathlib import Path

import click

from watchfleet.redact import redact
from watchfleet.rules.files import Loaded, load
from watchfleet.rules.lint import warnings_of
from watchfleet.rules.model import RuleKind


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit 2 for warnings too.")
def check(files: tuple[Path, ...], *, strict: bool) -> None:
    """Check the rule files FILE..., alone and together.

    Tells of everything that is wrong the file, the line, the column and what to write instead, and exits 2 if
    anything is. What may be a slip is a warning: rules that stand there twice, labels that change with every
    value, expressions that look at no series.

    \b
    Examples:
      watchfleet rules check rules/*.yml
      watchfleet rules check --strict rules/*.yml
    """
    checked = [load(path) for path in files]
    for one in checked:
        click.echo(_summary(one))
        for problem in one.problems:
            click.echo(f"  {redact(str(problem))}", err=True)
    warnings = warnings_of(one.file for one in checked)
    for warning in warnings:
        click.echo(f"  warning: {redact(str(warning))}", err=True)
    if any(one.problems for one in checked) or (strict and warnings):
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
