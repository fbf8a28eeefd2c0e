"""`watchfleet rules test`: unit tests of rules, in promtool's format."""

import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import ndiff
from pathlib import Path
from typing import Final

import click

from watchfleet.errors import ConfigError
from watchfleet.redact import redact
from watchfleet.rules.template import TemplateError
from watchfleet.rules.template.patterns import compile_pattern
from watchfleet.rules.unittests.junit import junit_report
from watchfleet.rules.unittests.run import Failure
from watchfleet.rules.unittests.suite import FileResult, Version, run_file

_VERSIONS: Final[Mapping[str | None, Sequence[Version]]] = {None: (3, 2), "2": (2,), "3": (3,)}
_ONLY_AS_PROMETHEUS_2 = (
    "it passes with the ranges and the look-back of Prometheus 2, which include their left edge, and not "
    "with those of Prometheus 3, by which rules are evaluated: give its series one more value"
)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--run",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Only tests whose name matches; may be repeated.",
)
@click.option("--diff", "as_diff", is_flag=True, help="Show a diff of what was expected and what came out.")
@click.option(
    "--prometheus",
    type=click.Choice(["2", "3"]),
    help="Whose ranges count; those of 2 include their left edge. By default a test may pass with either.",
)
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit XML report too."
)
def test(
    files: tuple[Path, ...],
    patterns: tuple[str, ...],
    prometheus: str | None,
    junit: Path | None,
    *,
    as_diff: bool,
) -> None:
    """Run the unit tests of rules in FILE...

    The format is promtool's (`promtool test rules`), and so are verdicts and output. Exits 1 if a test fails
    or a file cannot be used.

    \b
    Examples:
      watchfleet rules test rules/*_test.yml
      watchfleet rules test rules/disk_test.yml --run 'fills up' --diff
    """
    chosen = _chosen(patterns)
    versions = _VERSIONS[prometheus]
    results = []
    for path in files:
        click.echo(f"Unit Testing:  {path}")
        result = run_file(path, chosen, versions)
        results.append(result)
        _tell(result, as_diff=as_diff, notes=prometheus is None)
        click.echo()
    if junit is not None:
        _write(junit, junit_report(results))
    if not all(result.passed for result in results):
        sys.exit(1)


def _chosen(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    try:
        compiled = [compile_pattern(pattern) for pattern in patterns]
    except TemplateError as error:
        raise click.BadParameter(str(error), param_hint="--run") from error
    return lambda name: not compiled or any(one.search(name.encode()) for one in compiled)


def _tell(result: FileResult, *, as_diff: bool, notes: bool) -> None:
    for warning in result.warnings:
        click.echo(f"  WARNING: {warning}", err=True)
    for group in result.groups:
        if notes and not group.failures and group.version == 2:
            click.echo(f"  WARNING: {group.test.at}: {_ONLY_AS_PROMETHEUS_2}", err=True)
    if result.passed:
        click.echo("  SUCCESS")
        return
    click.echo("  FAILED:", err=True)
    for problem in result.problems:
        click.echo(f"    {redact(str(problem))}", err=True)
    for group in result.groups:
        for failure in group.failures:
            name = f"    name: {group.test.name},\n" if group.test.name else ""
            click.echo(redact(name + _shown(failure, as_diff=as_diff)) + "\n", err=True)


def _shown(failure: Failure, *, as_diff: bool) -> str:
    where = f"    {failure.heading}, at: {failure.at}"
    if not failure.expected:
        return f"{where},\n        err: {failure.got}"
    if as_diff:
        lines = ndiff(failure.expected.splitlines(), failure.got.splitlines())
        return f"{where},\n" + "\n".join(f"        {line}" for line in lines if not line.startswith("?"))
    return f"{where},\n        exp: {_indented(failure.expected)},\n        got: {_indented(failure.got)}"


def _indented(text: str) -> str:
    return text.replace("\n", "\n            ")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", path=path) from error
