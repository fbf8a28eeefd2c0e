"""`watchfleet budgets`: how much of each performance budget is used."""

import json
import sys

import click
from rich.markup import escape

from watchfleet.budgets import get_budgets
from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.detectors.budgets import Use, uses
from watchfleet.redact import redact


@click.command()
@click.option("--json", "as_object", is_flag=True, help="One JSON object, for programs.")
def budgets(*, as_object: bool) -> None:
    """Show how much of each performance budget is used; exit 1 when one is broken.

    They stand under `budgets` in watchfleet.yml. One that cannot be used is told of, and the others shown.

    \b
    Examples:
      watchfleet budgets
      watchfleet budgets --json
    """
    known = get_budgets()
    with transaction() as connection:
        found = uses(connection, known, utcnow())
    if as_object:
        problems = [redact(str(problem)) for problem in known.problems]
        click.echo(json.dumps({"budgets": [one.facts() for one in found], "problems": problems}, indent=2))
    else:
        columns = ["KIND", "SUBJECT", "LIMIT", "USED", "ALLOWED", "USE"]
        print_table(make_console(), columns, [_line(one) for one in found], right=set(columns[3:]))
        for problem in known.problems:
            click.echo(f"watchfleet: {redact(str(problem))}", err=True)
    if known.problems or any(one.is_broken for one in found):
        sys.exit(1)


def _line(one: Use) -> list[str]:
    share = "-" if one.ratio is None else f"{one.ratio:.0%}"
    return [
        one.kind,
        escape(one.subject),
        one.limit,
        "-" if one.used is None else _amount(one.limit, one.used),
        _amount(one.limit, one.allowed),
        f"[red]{share}[/]" if one.is_broken else share,
    ]


def _amount(limit: str, value: float) -> str:
    match limit:
        case "p95_duration":
            return f"{value * 1000:.4g}ms"
        case "error_rate":
            return f"{value * 100:.4g}%"
        case "memory_mb":
            return f"{value:.1f}MB"
        case _:
            return f"{value:.4g}"
