"""Matchers as Alertmanager's users write them: `severity=~"warning|critical"`, `{job="api", team!=web}`.

Alertmanager reads two forms: the classic one, and one since 0.27 in which names may be any UTF-8. Each text
is tried in both; where they disagree the classic form wins, as there.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

from watchfleet.patterns import PatternError
from watchfleet.promql.matchers import Matcher, MatchOp

__all__ = ["Matcher", "format_matchers", "matcher", "matches", "parse"]

_CLASSIC: Final = re.compile(
    r"\s*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?P<op>=~|=|!=|!~)\s*(?P<value>.*?)\s*", re.DOTALL
)
_CLASSIC_PART: Final = re.compile(r'(?:"(?:\\.|[^"\\])*"?|\\.|[^,"\\])+', re.DOTALL)
_CLASSIC_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_TOKEN: Final = re.compile(
    r'(?P<space>\s+)|(?P<op>=~|!~|!=|=)|(?P<mark>[{},])|(?P<quoted>"(?:\\.|[^"\\])*")'
    r"|(?P<plain>[^\s{}!=~,\\\"'`]+)",
    re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", '"': '"', "\\": "\\"}
_GO_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\\"'])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"
)
_GO_LETTERS: Final = dict(zip("abfnrtv\\\"'", "\a\b\f\n\r\t\v\\\"'", strict=True))


def parse(text: str) -> tuple[Matcher, ...]:
    """The matchers that a text holds, with commas between and braces around them or not.

    Raises:
        ValueError: It is in neither form; says what is wrong with the newer one.
    """
    utf8, classic = _attempt(_parse_utf8, text), _attempt(_parse_classic, text)
    if not isinstance(classic, ValueError):
        return classic
    if isinstance(utf8, ValueError):
        raise utf8
    return utf8


def matcher(name: str, op: str, value: str) -> Matcher:
    """One matcher.

    Raises:
        ValueError: Its name is empty, or its value is no pattern that RE2 takes.
    """
    if not name:
        raise ValueError("a matcher needs a label's name")
    try:
        return Matcher(name, cast(MatchOp, op), value)
    except PatternError as error:
        raise ValueError(f"{name}{op}{value!r}: the pattern is not one that RE2 takes: {error}") from error


def matches(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil all the matchers; a label that is not there counts as empty."""
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


def format_matchers(matchers: Iterable[Matcher]) -> str:
    """Matchers as Alertmanager writes them: `{a="b",c=~"d"}`."""
    return "{" + ",".join(map(str, matchers)) + "}"


def _attempt(parser: Callable[[str], list[Matcher]], text: str) -> tuple[Matcher, ...] | ValueError:
    try:
        return tuple(parser(text))
    except ValueError as error:
        return error


def _parse_classic(text: str) -> list[Matcher]:
    text = text.strip().removeprefix("{")
    text = text.removesuffix("}") if not text.endswith("\\}") else text
    return [_classic(part) for part in _CLASSIC_PART.findall(text) if part.strip()]


def _classic(text: str) -> Matcher:
    found = _CLASSIC.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no matcher; write it like severity=critical")
    value = found["value"]
    if value.startswith('"'):
        if len(value) < 2 or not value.endswith('"') or _is_escaped(value, len(value) - 1):
            raise ValueError(f"the quotes of {text!r} do not end")
        value = value[1:-1]
    if '"' in _CLASSIC_ESCAPE.sub("", value):
        raise ValueError(f"{text!r} holds a quote that is not escaped")
    value = _CLASSIC_ESCAPE.sub(lambda one: _ESCAPES.get(one[1], one[0]), value)
    return matcher(found["name"], found["op"], value)


def _is_escaped(text: str, at: int) -> bool:
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _parse_utf8(text: str) -> list[Matcher]:
    tokens = _tokens(text)
    if tokens and tokens[0][1] == "{":
        if tokens[-1][1] != "}":
            raise ValueError(f"{text!r}: the brace is not closed")
        tokens = tokens[1:-1]
    found = []
    while tokens:
        (name_kind, name), (op_kind, op), (value_kind, value) = (*tokens, *[("end", "")] * 3)[:3]
        if name_kind not in {"quoted", "plain"} or op_kind != "op" or value_kind not in {"quoted", "plain"}:
            raise ValueError(f'{text!r} is no matcher; write it like severity=critical or "a name"=~"a|b"')
        found.append(matcher(_unquoted(name), op, _unquoted(value)))
        tokens = tokens[3:]
        if tokens and tokens[0][1] != ",":
            raise ValueError(f"{text!r}: a comma is missing after {value}")
        tokens = tokens[1:]
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"{text!r}: unexpected {text[at]!r}; put a value with such characters in quotes")
        if found.lastgroup != "space":
            tokens.append((str(found.lastgroup), found[0]))
        at = found.end()
    return tokens


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    inside = text[1:-1]
    if "\\" in _GO_ESCAPE.sub("", inside):
        raise ValueError(f"{text} holds an escape that is none")
    return _GO_ESCAPE.sub(_character, inside)


def _character(found: re.Match[str]) -> str:
    if found[1]:
        return _GO_LETTERS[found[1]]
    return chr(int(found[2] or found[3] or found[4], 16))
