"""`watchfleet notify`: check a notification configuration, and see where it takes an alert."""

import sys
from pathlib import Path
from typing import Final

import click

from watchfleet.clock import format_duration
from watchfleet.errors import ConfigError
from watchfleet.notify.loading import InvalidError, Loaded, load, source_of
from watchfleet.notify.matchers import format_matchers
from watchfleet.notify.policy import Policy, configured_policy, read_policy
from watchfleet.notify.tree import Node, Step, explain
from watchfleet.redact import redact
from watchfleet.settings import Settings, read_config
from watchfleet.yamlfile import Document

NOT_EXPECTED: Final = 1

_config_option = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="This file, instead of the configuration that is in force.",
)


@click.group()
def notify() -> None:
    """Check who is told of which alerts, in Alertmanager's configuration format.

    \b
    Examples:
      watchfleet notify check alertmanager.yml
      watchfleet notify routes test severity=critical team=web
    """


@notify.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
def check(file: Path | None) -> None:
    """Check FILE, an alertmanager.yml or a watchfleet.yml; without it, what is in force.

    Names the file, the line and the mend for everything that is wrong, and exits 2 if anything is. What
    Alertmanager knows and does nothing here is noted, and no fault.

    \b
    Examples:
      watchfleet notify check
      watchfleet notify check alertmanager.yml
    """
    try:
        policy = _policy(file)
    except InvalidError as error:
        _note(error.notes)
        for problem in error.problems:
            click.echo(f"watchfleet: {redact(str(problem))}", err=True)
        sys.exit(2)
    if policy.loaded is None:
        click.echo("no notification configuration: fine; alerts go out by severity")
        return
    _note(policy.loaded.notes)
    click.echo(f"{file or 'the notification configuration'}: fine; {_summary(policy.loaded)}")


@notify.group()
def routes() -> None:
    """See the routing tree, and where it takes an alert.

    \b
    Examples:
      watchfleet notify routes show
      watchfleet notify routes test severity=critical team=web
    """


@routes.command()
@_config_option
def show(file: Path | None) -> None:
    """Print the routing tree: matchers, who is told, and how.

    \b
    Examples:
      watchfleet notify routes show
      watchfleet notify routes show --config alertmanager.yml
    """
    policy = _policy(file)
    for depth, node in policy.tree.walk():
        click.echo(f"{'  ' * depth}{_described(node)}")


@routes.command()
@click.argument("labels", nargs=-1, required=True, metavar="LABEL=VALUE...")
@_config_option
@click.option("--expect", metavar="RECEIVER,...", help="Exit 1 unless exactly these are told, in this order.")
def test(labels: tuple[str, ...], file: Path | None, expect: str | None) -> None:
    """Print where an alert with these labels goes, and why.

    \b
    Examples:
      watchfleet notify routes test severity=critical team=web
      watchfleet notify routes test --config alertmanager.yml --expect pager severity=critical
    """
    policy, given = _policy(file), dict(map(_label, labels))
    for step in explain(policy.tree, given):
        click.echo(f"{'  ' * step.depth}{_reason(step)}")
    nodes = policy.nodes(given, None)
    for node in nodes:
        click.echo(f"group {node.group_key(node.group_labels(given))}")
        for destination in policy.destinations(node):
            click.echo(f"  told: {destination}")
        if not policy.destinations(node):
            click.echo(f"  told: nobody, {node.receiver} has no channel")
    receivers = ",".join(node.receiver for node in nodes)
    click.echo(f"receivers: {receivers}")
    if expect is not None and receivers != expect:
        click.echo(f"watchfleet: expected {expect}", err=True)
        sys.exit(NOT_EXPECTED)


def _policy(file: Path | None) -> Policy:
    settings = Settings.load()
    if file is None:
        return read_policy(settings, read_config())
    return configured_policy(load(source_of(Document.read(file)), settings), settings)


def _note(notes: tuple[ConfigError, ...]) -> None:
    for note in notes:
        click.echo(f"note: {redact(str(note))}", err=True)


def _summary(loaded: Loaded) -> str:
    configuration = loaded.configuration
    counts = {
        "route": sum(1 for _ in loaded.tree.walk()),
        "receiver": len(loaded.receivers),
        "inhibit rule": len(configuration.inhibit_rules),
        "time interval": len(configuration.intervals),
    }
    return ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts.items())


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.UsageError(f"{text!r} is no label; write it like severity=critical")
    quoted = len(value) > 1 and value.startswith('"') and value.endswith('"')
    return name.strip(), value[1:-1] if quoted else value


def _described(node: Node) -> str:
    group_by = "every label" if node.group_by is None else ", ".join(node.group_by) or "nothing"
    parts = [
        f"{format_matchers(node.matchers)} -> {node.receiver}",
        f"only {', '.join(node.channels)}" if node.channels is not None else "",
        "continues" if node.continues else "",
        f"grouped by {group_by}",
        f"wait {format_duration(node.group_wait)}",
        f"interval {format_duration(node.group_interval)}",
        f"repeat {format_duration(node.repeat_interval)}",
        f"not during {', '.join(node.mute_times)}" if node.mute_times else "",
        f"only during {', '.join(node.active_times)}" if node.active_times else "",
        *(
            f"after {format_duration(each.after)} also {', '.join(each.receivers)}"
            for each in node.escalation
        ),
    ]
    return ", ".join(part for part in parts if part)


def _reason(step: Step) -> str:
    name = f"{format_matchers(step.node.matchers)} -> {step.node.receiver}"
    if step.refused_by is not None:
        return f"{name}: no, {step.refused_by} does not hold"
    if step.taken:
        return f"{name}: taken" + (", and continues" if step.node.continues else "")
    return f"{name}: matches, and a route below it takes the alert"
