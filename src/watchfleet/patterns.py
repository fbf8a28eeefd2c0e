"""Regular expressions that users write: RE2's, in which none can hang, with Prometheus's meaning.

Source: Prometheus's package `model/labels` (patterns match whole values, `.` matches newlines too), and Go's
`Regexp.Expand`.
"""

import re
from functools import lru_cache
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # no type information is published for google-re2

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REFERENCE: Final = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))", re.ASCII)
_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.dot_nl = True


class PatternError(ValueError):
    """The regular expression is not one that RE2 takes."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Any:
    """A pattern for `full_match`.

    Raises:
        PatternError: It is not one that RE2 takes.
    """
    try:
        return re2.compile(pattern, _OPTIONS)
    except (re2.error, UnicodeError) as error:
        raise PatternError(_reason(error)) from error


def full_match(compiled: Any, value: str) -> Any:
    """A compiled pattern's match with a whole text, or None; bytes that are not UTF-8 count as U+FFFD."""
    return compiled.fullmatch(_SURROGATE.sub("\ufffd", value))


def expand(template: str, found: Any) -> str:
    """The template with `$1`, `${name}` and `$$` filled in from a match."""
    if "$" not in template:
        return template
    groups = found.re.groupindex

    def value(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        number = int(name) if name.isdigit() and len(name) < 4 else groups.get(name, -1)
        return (found.group(number) or "") if 0 <= number <= found.re.groups else ""

    return _REFERENCE.sub(value, template)


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
