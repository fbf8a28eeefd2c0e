"""Reads YAML as Prometheus's own reader takes it, and keeps the place of every complaint.

Go reads a scalar into a text field as it is written: `severity: 1` is the text `1`, `on` stays `on`.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import yaml

from watchfleet.complaints import LONGEST_VALUE, similar
from watchfleet.errors import ConfigError
from watchfleet.promql.literals import LONGEST, seconds_of
from watchfleet.rules.places import place
from watchfleet.yamlfile import compose, repeated_keys

MOST_PROBLEMS: Final = 100
"""Of one file; who mends those sees the others."""
_MERGE: Final = "tag:yaml.org,2002:merge"
_NULL: Final = "tag:yaml.org,2002:null"
_MOST_MERGES: Final = 10
_KINDS: Final[dict[type[yaml.Node], str]] = {yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list"}
_TRUTHS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Item:
    """A key and its value in a mapping, or a value in a list.

    Attributes:
        key: The key's text; empty for a list's value.
        head: The key's node, or the value's own if there is no key.
        node: The value's node.
    """

    __slots__ = ("head", "key", "node")

    def __init__(self, node: yaml.Node, head: yaml.Node | None = None) -> None:
        self.node, self.head = node, head or node
        self.key: str = "" if head is None else str(head.value)

    @property
    def is_null(self) -> bool:
        """Whether there is nothing."""
        return bool(self.node.tag == _NULL)

    @property
    def is_scalar(self) -> bool:
        """Whether it is one text, or nothing."""
        return isinstance(self.node, yaml.ScalarNode)

    @property
    def line(self) -> int:
        """Where it begins, from 1."""
        return int(self.head.start_mark.line) + 1

    @property
    def column(self) -> int:
        """Where it begins in its line, from 1."""
        return int(self.head.start_mark.column) + 1


class Reader:
    """One file as it is read.

    Attributes:
        path: The file.
        problems: What was found to be wrong so far.

    Args:
        path: The file.
        text: What it holds.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.problems: list[ConfigError] = []
        self._lines = text.splitlines()
        self._text = text

    def root(self) -> Item | None:
        """The whole; None if there is nothing, or if it is not YAML."""
        try:
            node = compose(self._text, self.path)
        except ConfigError as error:
            self.problems.append(error)
            return None
        if node is None or node.tag == _NULL:
            return None
        self.problems += list(repeated_keys(node, self.path))[:MOST_PROBLEMS]
        return Item(node)

    def complain(
        self, item: Item, message: str, mend: str | None = None, *, offset: int | None = None
    ) -> None:
        """Note a problem.

        Args:
            item: What is wrong.
            message: How it is wrong.
            mend: What to write instead.
            offset: Where in the value's text, if the problem is there and not at the item's beginning.
        """
        if len(self.problems) >= MOST_PROBLEMS:
            return
        line, column = item.line, item.column
        if offset is not None and isinstance(item.node, yaml.ScalarNode):
            line, column = place(self._lines, item.node, offset)
        self.problems.append(ConfigError(message, path=self.path, line=line, column=column, mend=mend))

    def mapping(self, item: Item, known: Collection[str] | None, what: str) -> dict[str, Item]:
        """A mapping's items by their keys; those that nobody knows are complained of.

        Args:
            item: What should be a mapping.
            known: The keys that may be there; None for any.
            what: How complaints call it, such as `a rule`.
        """
        if item.is_null:
            return {}
        if not isinstance(item.node, yaml.MappingNode):
            self._wrong_type(item, "a mapping, `name: value` on lines of its own")
            return {}
        found = {inner.key: inner for inner in self._items(item.node, 0)}
        for key in [key for key in found if known is not None and key not in known]:
            unknown = found.pop(key)
            mend = similar(key, known or ()) or f"it has {', '.join(known or ())}"
            self.complain(unknown, f"{what} has no field {_shown(key)}", mend)
        return found

    def _items(self, node: yaml.MappingNode, depth: int) -> Iterator[Item]:
        """The items, those that are merged with `<<` first, so that the mapping's own win."""
        own = []
        for key, value in node.value:
            if key.tag == _MERGE and depth < _MOST_MERGES:
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for other in reversed(merged):
                    if isinstance(other, yaml.MappingNode):
                        yield from self._items(other, depth + 1)
            elif isinstance(key, yaml.ScalarNode):
                own.append(Item(value, key))
            else:
                self.complain(Item(key), "a key must be a plain text")
        yield from own

    def items(self, item: Item) -> list[Item]:
        """A list's items."""
        if item.is_null:
            return []
        if not isinstance(item.node, yaml.SequenceNode):
            self._wrong_type(item, "a list, each item after `- `")
            return []
        return [Item(node) for node in item.node.value]

    def text(self, item: Item) -> str | None:
        """A text, however it is written; None if it is a mapping or a list."""
        if not isinstance(item.node, yaml.ScalarNode):
            self._wrong_type(item, "a text")
            return None
        return "" if item.is_null else str(item.node.value)

    def texts(self, item: Item) -> dict[str, tuple[Item, str]]:
        """A mapping of texts, each with its item."""
        found = {}
        for key, inner in self.mapping(item, None, "").items():
            text = self.text(inner)
            if text is not None:
                found[key] = inner, text
        return found

    def duration(self, item: Item) -> timedelta | None:
        """A duration as Prometheus writes it; None if it is none."""
        text = self.text(item)
        if text is None:
            return None
        seconds = 0.0 if text == "0" else seconds_of(text) if text else None
        if seconds is None or seconds > LONGEST:
            self.complain(
                item, f"{item.key}: {_shown(text)} is not a duration", "write it like 30s, 5m or 1h30m"
            )
            return None
        return timedelta(seconds=seconds)

    def number(self, item: Item) -> float | None:
        """A finite number; None if it is none."""
        text = self.text(item)
        try:
            number = float(text or "")
        except ValueError:
            number = float("nan")
        if text is not None and not abs(number) < float("inf"):
            self.complain(item, f"{item.key}: {_shown(text)} is not a number", "write it like 0.9")
            return None
        return None if text is None else number

    def count(self, item: Item) -> int | None:
        """A whole number that is not negative; None if it is none."""
        text = self.text(item)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            self.complain(item, f"{item.key}: {_shown(text)} is not a whole number", "write it like 10")
            return None
        return int(text)

    def truth(self, item: Item) -> bool | None:
        """True or false; None if it is neither."""
        text = self.text(item)
        truth = _TRUTHS.get((text or "").lower())
        if text is not None and truth is None:
            self.complain(item, f"{item.key}: {_shown(text)} is neither true nor false", "write one of them")
        return truth

    def choice(self, item: Item, choices: Mapping[str, object]) -> str | None:
        """One of some words; None if it is none of them."""
        text = self.text(item)
        if text is None or text in choices:
            return text
        self.complain(
            item, f"{item.key}: {_shown(text)} is none of its values", f"write {', '.join(choices)}"
        )
        return None

    def _wrong_type(self, item: Item, wanted: str) -> None:
        label = f"{item.key}: " if item.key else ""
        kind = _KINDS.get(type(item.node), "a text")
        self.complain(item, f"{label}{kind} stands where {wanted} is needed", f"write {wanted}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…")
