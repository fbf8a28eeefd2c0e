"""The tables in the documents that the code itself writes.

A document holds `<!-- generated: NAME -->`, the table, `<!-- end -->`. A test fails when a table is not what
the code says; `.venv/bin/python -m tests.support.generated` writes them anew.
"""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

import schedules
from tests.support import outcome_table
from watchfleet import fleet
from watchfleet.clock import format_duration
from watchfleet.notify.receivers import CONFIGS, ChannelConfig
from watchfleet.probes.registry import PROBES, kind
from watchfleet.probes.targets import TargetFields
from watchfleet.promql.source import metric_of
from watchfleet.rules.files import load
from watchfleet.rules.library import BUILTIN
from watchfleet.rules.model import Rule
from watchfleet.rules.stages import selectors
from watchfleet.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
_SECTION = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def settings_table() -> str:
    """Every setting, its default and its meaning."""
    rows = [
        (_variable(name, field), _default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return _table(("Variable", "Default", "Meaning"), rows)


def targets_table() -> str:
    """What every target of `targets:` has."""
    return _fields(TargetFields)


def probes_table() -> str:
    """Each kind of probe: what it asks, and its options."""
    parts = []
    for name in PROBES:
        found = kind(name)
        summary = (__import__(found.probe.__module__, fromlist=["x"]).__doc__ or "").splitlines()[0]
        parts.append(f"### `{name}`\n\n{_sentence(summary)}\n\n{_fields(found.options)}")
    return "\n".join(parts)


def schedule_table() -> str:
    """The periodic tasks."""
    rows = [
        (f"`{entry.task}`", format_duration(entry.period), f"{entry.why[0].upper()}{entry.why[1:]}.")
        for entry in schedules.ENTRIES
    ]
    return _table(("Task", "Period", "Without it"), rows)


def families_table() -> str:
    """The worker families."""
    rows = [
        (
            f"`{family.name}`",
            f"{family.pool} × {family.concurrency}",
            ", ".join(f"`{queue}`" for queue in family.queues),
            f"{family.why[0].upper()}{family.why[1:]}.",
        )
        for family in fleet.families()
    ]
    return _table(("Family", "Pool", "Queues", "Why this pool"), rows)


def channel_fields_table() -> str:
    """What every entry of a receiver has."""
    return _fields(ChannelConfig)


def channels_table() -> str:
    """Each channel: what switches it on, and the fields of its entries."""
    parts = []
    for name, config in CONFIGS.items():
        own = {
            key: field for key, field in config.model_fields.items() if key not in ChannelConfig.model_fields
        }
        summary = (__import__(f"alert_channels.{name}", fromlist=["x"]).__doc__ or "").splitlines()[0]
        rows = [
            (f"`{field.alias or key}`", _default(field), field.description or "")
            for key, field in own.items()
        ]
        table = f"\n{_table(('Key', 'Default', 'Meaning'), rows)}" if rows else ""
        needs = f"In the receiver `default`: {config.needs}."
        parts.append(f"### `{name}`\n\n{summary} {needs}\n{table}")
    return "\n".join(parts)


def outcomes_table() -> str:
    """What each channel makes of each answer."""
    http = outcome_table.rows()
    mail = _table(("The mail server answers", "email"), outcome_table.MAIL.items())
    log = _table(("The log", "log"), outcome_table.LOG.items())
    return f"{_table(http[0], http[1:])}\n{mail}\n{log}"


def rules_table() -> str:
    """The rules that come with the fleet, each with its parameters."""
    groups = [group for path in sorted(BUILTIN.glob("*.yml")) for group in load(path).file.groups]
    rows = [
        (
            f"[{rule.name}](runbooks/{rule.name}.md)",
            rule.labels.get("severity", "the target's"),
            format_duration(rule.hold),
            ", ".join(f"`{name}`" for name in _metrics(rule)),
            "; ".join(_parameter(rule, name) for name in rule.parameters) or "–",
        )
        for group in groups
        for rule in group.rules
    ]
    return _table(("Rule", "Severity", "For", "Reads", "Parameters: variable, default, meaning"), rows)


def _metrics(rule: Rule) -> list[str]:
    return sorted({metric_of(one.matchers) for one in selectors(rule.expr.root)})


def _parameter(rule: Rule, name: str) -> str:
    option = rule.options.params[name]
    return f"`{name}`: `{option.env}`, `{rule.parameters[name].value}`. {option.description}"


SECTIONS: dict[str, Callable[[], str]] = {
    "channel-fields": channel_fields_table,
    "channels": channels_table,
    "outcomes": outcomes_table,
    "settings": settings_table,
    "targets": targets_table,
    "probes": probes_table,
    "schedule": schedule_table,
    "families": families_table,
    "rules": rules_table,
}


def renewed(text: str) -> str:
    """A document with every generated table as the code would write it."""
    return _SECTION.sub(lambda match: f"{match[1]}{SECTIONS[match[2]]()}{match[3]}", text)


def _fields(model: type[BaseModel]) -> str:
    rows = [
        (f"`{name}`", _default(field), field.description or "") for name, field in model.model_fields.items()
    ]
    return _table(("Key", "Default", "Meaning"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head), *map(tuple, rows)]
    lines.insert(1, tuple("---" for _ in lines[0]))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _variable(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    names = [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [name]
    return " or ".join(f"`{each}`" for each in dict.fromkeys(each.upper() for each in names))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ([], {}, ()) or value == Path():
        return "–"
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{', '.join(value) if isinstance(value, list) else value}`"


def _sentence(summary: str) -> str:
    text = summary.partition(": ")[2]
    return text[0].upper() + text[1:]


if __name__ == "__main__":
    for document in DOCUMENTS:
        path = ROOT / document
        path.write_text(renewed(path.read_text()))
