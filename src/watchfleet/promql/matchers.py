"""Label matchers: which series a selector means."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import re2  # type: ignore[import-untyped]  # no type information is published for google-re2

from watchfleet.promql.format import quote
from watchfleet.promql.names import is_legacy_name

MatchOp = Literal["=", "!=", "=~", "!~"]

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.dot_nl = True


class PatternError(ValueError):
    """The regular expression is not one that RE2 takes."""


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


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Any:
    """The pattern compiled as Prometheus does, for `fullmatch`: `.` matches newlines too.

    Raises:
        PatternError: The pattern is not one that RE2 takes.
    """
    try:
        return re2.compile(pattern, _OPTIONS)
    except (re2.error, UnicodeError) as error:
        raise PatternError(_reason(error)) from error


def full_match(compiled: Any, value: str) -> Any:
    """A compiled pattern's match with a whole text, or None; bytes that are not UTF-8 count as U+FFFD."""
    return compiled.fullmatch(_SURROGATE.sub("\ufffd", value))


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
