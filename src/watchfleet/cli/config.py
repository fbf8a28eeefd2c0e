"""`watchfleet config`: check the configuration, show what is in force, and its schema for editors."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from pydantic import SecretStr

from watchfleet.budgets import load_budgets
from watchfleet.clock import format_duration
from watchfleet.errors import ConfigError
from watchfleet.notify.loading import InvalidError
from watchfleet.notify.policy import read_policy
from watchfleet.probes.schema import configuration_schema
from watchfleet.probes.scrape.config import load_jobs
from watchfleet.probes.targets import Targets, load_targets
from watchfleet.redact import MASK, redact
from watchfleet.settings import (
    Settings,
    config_path,
    file_problems,
    from_file,
    origin,
    problems,
    read_config,
)
from watchfleet.yamlfile import Document

_ADDRESSES: Final = {"database_url", "broker_url", "redis_url"}
"""Secrets of which all but the password may be shown."""
_LISTS: Final = {"targets": "target", "scrape": "job", "budgets": "budget"}
"""Settings whose items are checked one by one, and what an item is called."""


@click.group()
def config() -> None:
    """Check the configuration, and show what is in force.

    \b
    Examples:
      watchfleet config check watchfleet.yml
      watchfleet config show
    """


@config.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
def check(file: Path | None) -> None:
    """Check FILE; without it, the environment and the file that is in use.

    Names the file, the line and the mend for everything that is wrong, and exits 2 if anything is.

    \b
    Examples:
      watchfleet config check
      watchfleet config check watchfleet.yml
    """
    document = Document.read(file) if file else read_config()
    found = file_problems(document) if file and document else problems()
    settings = None if found else from_file(document) if file and document else Settings.load()
    targets = load_targets(settings or _targets_alone(document), document)
    found += load_jobs(settings or _targets_alone(document), document).problems
    found += load_budgets(settings or _targets_alone(document), document).problems
    notes = _check_notifications(settings, document, found)
    for problem in sorted([*found, *targets.problems], key=lambda one: (one.path is not None, one.line or 0)):
        click.echo(f"watchfleet: {redact(str(problem))}", err=True)
    if settings is None or found or targets.problems:
        sys.exit(2)
    click.echo(_summary(document, targets))
    for note in [*_notes(settings), *notes]:
        click.echo(f"note: {note}")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def show(*, as_json: bool) -> None:
    """Show every setting that is in force, and where it comes from; secrets are masked.

    \b
    Examples:
      watchfleet config show
      watchfleet config show --json
    """
    settings, document = Settings.load(), read_config()
    rows = {
        name: {"value": _plain(name, getattr(settings, name)), "source": origin(name, document)}
        for name in Settings.model_fields
    }
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    widest = max(map(len, rows))
    for name, row in rows.items():
        click.echo(f"{name:<{widest}}  {_text(row['value'])}  ({row['source']})")


@config.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to a file instead.")
def schema(output: Path | None) -> None:
    """Print the JSON Schema of watchfleet.yml, for completion and checks in editors.

    For editors that speak to yaml-language-server, the file then begins with
    `# yaml-language-server: $schema=<file>`.

    \b
    Examples:
      watchfleet config schema
      watchfleet config schema --output watchfleet.schema.json
    """
    text = json.dumps(configuration_schema(), indent=2)
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", path=output) from error
    click.echo(f"The schema is in {output}.")


def _check_notifications(
    settings: Settings | None, document: Document | None, found: list[ConfigError]
) -> list[str]:
    """Add what is wrong with the notification configuration; returns what does nothing in it."""
    if settings is None:
        return []
    try:
        policy = read_policy(settings, document)
    except InvalidError as error:
        found += error.problems
        return []
    except ConfigError as error:
        found.append(error)
        return []
    return [str(note) for note in policy.loaded.notes] if policy.loaded else []


def _targets_alone(document: Document | None) -> Settings:
    """Settings with what is probed, scraped and limited alone: checked whatever else is wrong."""
    values = document.values if document else {}
    lists: dict[str, Any] = {name: values[name] for name in _LISTS if isinstance(values.get(name), list)}
    return Settings.model_construct(**lists)


def _summary(document: Document | None, targets: Targets) -> str:
    what = str(document.path) if document else f"the environment (there is no {config_path()})"
    given = _count(len(document.values) if document else 0, "setting")
    own = _count(len(targets.own()), "check of the fleet itself", "checks of the fleet itself")
    others = _count(len(targets.by_name) - len(targets.own()), "target")
    return f"{what}: fine; {given} in the file, {others}, {own}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _notes(settings: Settings) -> Iterator[str]:
    """What is no fault and may still be a slip."""
    if settings.alert_email_enabled and not settings.smtp_host:
        yield "alert_email_enabled is on, but smtp_host is not set: no email goes out"
    if settings.alert_email_enabled and not settings.alert_email_to:
        yield "alert_email_enabled is on, but alert_email_to is empty: no email goes out"
    if settings.smtp_host and not settings.alert_email_enabled:
        yield "smtp_host is set, but alert_email_enabled is off: no email goes out"


def _text(value: object) -> str:
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr):
        return redact(_without_password(value)) if name in _ADDRESSES else MASK
    if name in _LISTS:
        return _count(len(value), _LISTS[name])
    if name == "notify":
        return _count(len(value.get("receivers") or ()), "receiver") if value else None
    if isinstance(value, dict):
        return {key: format_duration(period) for key, period in value.items()}
    if hasattr(value, "total_seconds"):
        return format_duration(value)
    return str(value) if isinstance(value, Path) else value


def _without_password(value: SecretStr) -> str:
    scheme, _, rest = value.get_secret_value().partition("://")
    credentials, at, place = rest.rpartition("@")
    user = credentials.partition(":")[0]
    return f"{scheme}://{user}:{MASK}@{place}" if at else f"{scheme}://{rest}"
