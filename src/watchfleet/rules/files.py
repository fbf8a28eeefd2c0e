"""Rule files in Prometheus's format, with our additions under `x-watchfleet`.

A group or rule that is wrong is left out and complained of; all the others are there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from watchfleet.errors import ConfigError
from watchfleet.promql import Expression, ParseError, parse
from watchfleet.promql.names import is_label_name
from watchfleet.promql.signatures import TYPE_NAMES
from watchfleet.rules.model import Group, Position, Rule, RuleFile, RuleKind, RuleOptions
from watchfleet.rules.options import read_options
from watchfleet.rules.parameters import Parameter, parameters_of
from watchfleet.rules.reader import Item, Reader
from watchfleet.rules.template import TemplateSyntaxError, check_template
from watchfleet.yamlfile import read_text

EXTENSION: Final = "x-watchfleet"
MOST_RULES: Final = 20_000
"""Of one file; YAML's aliases can make very many of few lines."""

_GROUP_FIELDS: Final = ("name", "interval", "query_offset", "limit", "labels", "rules", EXTENSION)
_RULE_FIELDS: Final = (
    "alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations", EXTENSION,
)  # fmt: skip
_OF_ALERTS: Final = ("annotations", "for", "keep_firing_for", EXTENSION)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file holds, and what is wrong with it.

    Attributes:
        file: What is sound.
        problems: Everything that is not, in the order of the file.
    """

    file: RuleFile
    problems: tuple[ConfigError, ...] = ()


def load(path: Path) -> Loaded:
    """Read a rule file; one that cannot be read at all is a problem too, never an exception."""
    try:
        return parse_rules(read_text(path), path)
    except ConfigError as error:
        return Loaded(RuleFile(path), (error,))


def parse_rules(text: str, path: Path) -> Loaded:
    """Read `text` as the content of the rule file `path`."""
    reader = Reader(path, text)
    groups = _Groups(reader).read()
    problems = sorted(reader.problems, key=lambda problem: (problem.line or 0, problem.column or 0))
    return Loaded(RuleFile(path, groups), tuple(problems))


class _Groups:
    def __init__(self, reader: Reader) -> None:
        self._reader, self._rules = reader, 0

    def read(self) -> tuple[Group, ...]:
        root = self._reader.root()
        fields = self._reader.mapping(root, ("groups",), "a rule file") if root else {}
        groups: dict[str, Group] = {}
        for item in self._reader.items(fields["groups"]) if "groups" in fields else ():
            group = self._group(item)
            if group is None:
                continue
            if group.name in groups:
                self._reader.complain(
                    item, f"there is another group {group.name!r}", "give it a name of its own"
                )
            else:
                groups[group.name] = group
        return tuple(groups.values())

    def _group(self, item: Item) -> Group | None:
        reader, fields = self._reader, self._reader.mapping(item, _GROUP_FIELDS, "a group")
        name = reader.text(fields["name"]) if "name" in fields else None
        if not name:
            reader.complain(item, "the group has no name", "write `name: ...`")
            return None
        before = len(reader.problems)
        interval, offset = (
            reader.duration(fields[key]) if key in fields else None for key in ("interval", "query_offset")
        )
        limit = reader.count(fields["limit"]) if "limit" in fields else 0
        labels = read_labels(reader, fields["labels"]) if "labels" in fields else {}
        options = read_options(reader, fields.get(EXTENSION), RuleOptions(), in_group=True)
        sound = len(reader.problems) == before
        rules = tuple(
            rule
            for inner in (reader.items(fields["rules"]) if "rules" in fields else ())
            if (rule := self._rule(inner, labels, options)) is not None
        )
        group = Group(name, reader.path, rules, interval or None, limit or 0, offset, labels)
        return group if sound else None

    def _rule(self, item: Item, labels: Mapping[str, str], defaults: RuleOptions) -> Rule | None:
        self._rules += 1
        if self._rules > MOST_RULES:
            if self._rules == MOST_RULES + 1:
                self._reader.complain(item, f"the file has more than {MOST_RULES} rules", "split it")
            return None
        return _RuleReader(self._reader, item).read(labels, defaults)


class _RuleReader:
    def __init__(self, reader: Reader, item: Item) -> None:
        self._reader, self._item = reader, item
        self._fields = reader.mapping(item, _RULE_FIELDS, "a rule")

    def read(self, labels: Mapping[str, str], defaults: RuleOptions) -> Rule | None:
        before = len(self._reader.problems)
        kind, name = self._kind(), self._name()
        expr, parameters = self._expr()
        own = self._labels("labels")
        annotations = self._labels("annotations")
        if kind is RuleKind.RECORD:
            self._check_recording(name)
        else:
            self._check_templates("labels")
            self._check_templates("annotations")
        options = read_options(self._reader, self._fields.get(EXTENSION), defaults, parameters, expr)
        hold, keep = self._duration("for"), self._duration("keep_firing_for")
        if len(self._reader.problems) > before or kind is None or expr is None:
            return None
        at = Position(self._reader.path, self._item.line, self._item.column)
        merged = {**labels, **own}
        return Rule(kind, name, expr, at, hold, keep, merged, annotations, options, parameters)

    def _kind(self) -> RuleKind | None:
        given = [kind for kind in RuleKind if self._text(kind)]
        if len(given) == 1:
            return given[0]
        if given:
            self._reader.complain(self._item, "a rule is either `alert` or `record`, not both", "drop one")
        else:
            self._reader.complain(self._item, "the rule has no name", "write `alert: ...` or `record: ...`")
        return None

    def _name(self) -> str:
        name = self._text("alert") or self._text("record") or ""
        if not is_label_name(name or "-"):
            self._reader.complain(self._item, "the rule's name is not valid Unicode", "write it as UTF-8")
        return name

    def _text(self, key: str) -> str | None:
        return self._reader.text(self._fields[key]) if key in self._fields else None

    def _duration(self, key: str) -> timedelta:
        found = self._reader.duration(self._fields[key]) if key in self._fields else None
        return found or timedelta(0)

    def _labels(self, key: str) -> dict[str, str]:
        return read_labels(self._reader, self._fields[key]) if key in self._fields else {}

    def _check_templates(self, key: str) -> None:
        for name, (item, text) in (
            self._reader.texts(self._fields[key]).items() if key in self._fields else ()
        ):
            try:
                check_template(text)
            except TemplateSyntaxError as error:
                self._reader.complain(item, f"{name}: template: {error.cause}", offset=error.offset or 0)

    def _expr(self) -> tuple[Expression | None, dict[str, Parameter]]:
        text = self._text("expr")
        if not text:
            self._reader.complain(self._fields.get("expr", self._item), "the rule has no expr", "write one")
            return None, {}
        item = self._fields["expr"]
        try:
            expression = parse(text)
            parameters = parameters_of(text)
        except ParseError as error:
            offset = error.span.start if error.span else 0
            self._reader.complain(item, f"expr: {error.prefix}{error.cause}", offset=offset)
            return None, {}
        if expression.type not in {"vector", "scalar"}:
            cause = f"expr: it gives a {TYPE_NAMES[expression.type]}"
            self._reader.complain(item, cause, "a rule's expression gives a vector or a number", offset=0)
            return None, {}
        return expression, parameters

    def _check_recording(self, name: str) -> None:
        if "{" in name or "}" in name:
            mend = "record only names the metric; labels go under `labels`, selectors into `expr`"
            self._reader.complain(self._fields["record"], f"record: {name!r} holds braces", mend)
        for key in _OF_ALERTS:
            if key in self._fields and key != EXTENSION:
                self._reader.complain(self._fields[key], f"a recording rule has no {key}", "drop it")


def read_labels(reader: Reader, item: Item) -> dict[str, str]:
    """Labels or annotations, their names checked."""
    found = {}
    for name, (inner, text) in reader.texts(item).items():
        if not is_label_name(name) or name == "__name__":
            reader.complain(inner, f"{name!r} is no name for a label", "choose another")
        elif not is_label_name(text or "-"):
            reader.complain(inner, f"{name}: the value is not valid Unicode", "write it as UTF-8")
        else:
            found[name] = text
    return found
