"""`watchfleet rules show`: everything about one rule."""

import click
from rich.console import Console
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.cli.rules.list import standing
from watchfleet.clock import format_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.promql.labels import format_labels, labels_of
from watchfleet.rules.library import get_library
from watchfleet.rules.listing import ListedGroup, ListedRule, listed
from watchfleet.rules.naming import named
from watchfleet.rules.overrides import Audited, audit


@click.command()
@click.argument("name")
def show(name: str) -> None:
    """Show the rule NAME: its expression, parameters, alerts, and who changed it.

    \b
    Examples:
      watchfleet rules show DependencyDown
      watchfleet rules show fleet/DependencyDown
    """
    library = get_library()
    rules = named(library, name)
    with transaction() as connection:
        groups = listed(connection, library, utcnow())
        changes = audit(connection, sorted({name, *(rule.name for rule in rules)}))
    console = make_console()
    for group in groups:
        for one in group.rules:
            if name in {one.rule.rule.name, f"{group.group.group.name}/{one.rule.rule.name}"}:
                _print(console, group, one)
    if changes:
        print_table(console, ["When", "Who", "Changed", "To"], [_changed(one) for one in changes])


def _print(console: Console, group: ListedGroup, one: ListedRule) -> None:
    rule = one.rule.rule
    console.print(f"\n[bold]{escape(rule.name)}[/]  [dim]{escape(str(rule.at))}[/]  {standing(one)}")
    console.print(escape(one.rule.rule.expr.pretty()), soft_wrap=True)
    print_table(console, ["", ""], [[escape(cell) for cell in line] for line in _lines(group, one)])
    parameters = [_parameter(one, parameter) for parameter in rule.parameters]
    if parameters:
        print_table(console, ["Parameter", "Value", "Variable", "Meaning"], parameters)
    if one.active:
        lines = [
            [
                row.state,
                f"{row.active_at:%Y-%m-%d %H:%M:%S}",
                "" if row.value is None else f"{row.value:g}",
                escape(format_labels(labels_of(row.labels))),
            ]
            for row in one.active
        ]
        print_table(console, ["State", "Since", "Value", "Alert"], lines)


def _lines(group: ListedGroup, one: ListedRule) -> list[list[str]]:
    rule, state = one.rule.rule, one.state
    lines = [
        ["Group", f"{group.group.group.name}, every {format_duration(group.group.interval)}"],
        [
            "Evaluated",
            f"{group.state.evaluated_at:%Y-%m-%d %H:%M:%S}" if group.state.evaluated_at else "never",
        ],
        ["Took", f"{state.seconds * 1000:.1f} ms" if state else "-"],
        ["Series", str(state.series) if state else "-"],
        ["Labels", format_labels(labels_of(rule.labels))],
    ]
    if one.rule.alerts:
        lines += [
            ["For", format_duration(rule.hold)],
            ["Keep firing for", format_duration(rule.keep_firing)],
            ["No data", str(one.rule.policy.no_data)],
            ["On error", str(one.rule.policy.on_error)],
            ["Channels", ", ".join(rule.options.channels) if rule.options.channels else "as routed"],
        ]
        lines += [[name.capitalize(), text] for name, text in rule.annotations.items()]
    if state and state.error:
        lines.append(["Error", state.error])
    return lines


def _parameter(one: ListedRule, name: str) -> list[str]:
    option = one.rule.rule.options.params.get(name)
    return [
        escape(name),
        escape(one.rule.values[name]),
        (option.env or "") if option else "",
        escape(option.description) if option else "",
    ]


def _changed(one: Audited) -> list[str]:
    before = ", ".join(f"{name}={value}" for name, value in one.before.items()) or "as in the file"
    after = ", ".join(f"{name}={value}" for name, value in one.after.items()) or "as in the file"
    return [f"{one.at:%Y-%m-%d %H:%M:%S}", escape(one.who), escape(before), escape(after)]
