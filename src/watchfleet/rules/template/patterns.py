"""Regular expressions in templates: RE2, replaced as Go's `ReplaceAllString` does."""

import re
from functools import lru_cache
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # no type information is published for google-re2

from watchfleet.rules.template.errors import TemplateError, TemplateLimitError
from watchfleet.rules.template.limits import LARGEST_TEXT

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_IN_GO: Final = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "unexpected )": "unexpected )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
}
_REFERENCE: Final = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<braced>\w+)\}|(?P<bare>\w+))")


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Any:
    """A pattern, for bytes.

    Raises:
        TemplateError: It is not one that RE2 takes.
    """
    try:
        return re2.compile(pattern.encode("utf-8", "surrogateescape"), _OPTIONS)
    except re2.error as error:
        raise TemplateError(f"error parsing regexp: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """RE2's complaint in the words of Go's own RE2."""
    reason = error.args[0] if error.args else error
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    cause, colon, part = text.partition(": ")
    return f"{_IN_GO.get(cause, cause)}: `{part}`" if colon else text


def replace_all(pattern: str, replacement: str, text: str) -> str:
    """The text with every match replaced.

    Args:
        pattern: What to replace.
        replacement: By what; `$1` and `${name}` stand for groups, `$$` for a dollar sign.
        text: Where.

    Raises:
        TemplateError: The pattern is not one that RE2 takes.
    """
    data = text.encode("utf-8", "surrogateescape")
    try:
        compiled = compile_pattern(pattern)
    except TemplateError as error:
        raise TemplateError(f"regexp: Compile(`{pattern}`): {error}") from error
    pieces, at, size = [], 0, 0
    end_of_last = -1
    for found in compiled.finditer(data):
        if found.end() == found.start() == end_of_last:  # Go takes no empty match right after another one
            continue
        pieces += [data[at : found.start()], _expanded(replacement, found)]
        size += len(pieces[-1]) + len(pieces[-2])
        if size > LARGEST_TEXT:
            raise TemplateLimitError(f"more than {LARGEST_TEXT} bytes of text")
        at = end_of_last = found.end()
    return b"".join((*pieces, data[at:])).decode("utf-8", "surrogateescape")


def _expanded(replacement: str, found: Any) -> bytes:
    text = _REFERENCE.sub(lambda reference: _group(reference, found), replacement)
    return text.encode("utf-8", "surrogateescape")


def _group(reference: re.Match[str], found: Any) -> str:
    if reference["dollar"]:
        return "$"
    name = reference["braced"] or reference["bare"]
    if name.isascii() and name.isdigit():
        number = int(name[:9])
        value = found.group(number) if number <= found.re.groups else b""
    else:
        value = found.group(name) if name in found.re.groupindex else b""
    return (value or b"").decode("utf-8", "surrogateescape")
