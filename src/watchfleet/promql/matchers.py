"""Label matchers: which series a selector means."""

from dataclasses import dataclass
from typing import Literal

from watchfleet.patterns import compile_pattern, full_match
from watchfleet.promql.format import quote
from watchfleet.promql.names import is_legacy_name

MatchOp = Literal["=", "!=", "=~", "!~"]


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a label that a series lacks counts as empty.

    Attributes:
        name: The label's name; `__name__` is the metric's.
        op: `=`, `!=`, `=~` or `!~`; regular expressions must match the whole value.
        value: The value or the pattern.

    Raises:
        PatternError: The pattern is not one that RE2 takes.
    """

    name: str
    op: MatchOp
    value: str

    def __post_init__(self) -> None:
        if self.op in {"=~", "!~"}:
            compile_pattern(self.value)

    def matches(self, value: str) -> bool:
        """Whether a label with this value fulfils the condition."""
        if self.op == "=":
            return value == self.value
        if self.op == "!=":
            return value != self.value
        return (full_match(compile_pattern(self.value), value) is not None) == (self.op == "=~")

    def __str__(self) -> str:
        name = self.name if is_legacy_name(self.name) else quote(self.name)
        return f"{name}{self.op}{quote(self.value)}"
