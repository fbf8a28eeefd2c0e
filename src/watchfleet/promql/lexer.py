"""An expression's text as tokens."""

import re
from typing import Final, NamedTuple

from watchfleet.promql.errors import ParseError, Span
from watchfleet.promql.format import quote
from watchfleet.promql.signatures import AGGREGATIONS

KEYWORDS: Final = frozenset({
    "and", "or", "unless", "atan2", "offset", "by", "without", "on", "ignoring", "group_left", "group_right",
    "bool", "fill", "fill_left", "fill_right", "anchored", "smoothed", "start", "end", "step", "range",
    "min_of", "max_of",
})  # fmt: skip

_DIGITS, _HEX = r"\d(?:_?\d)*", r"[0-9a-fA-F](?:_?[0-9a-fA-F])*"


def _tokens(letters: str) -> re.Pattern[str]:
    return re.compile(
        rf"""
          (?P<skip>[ \t\r\n]+|\#[^\n]*)
        | (?P<number>0[xX]_?{_HEX}(?![\w.])
            |(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?(?![\w.]))
        | (?P<duration>(?:\d+(?:ms|[smhdwy]))+(?!\w))
        | (?P<bad>\.?\d[\w.]*)
        | (?P<name>[{letters}][{letters}0-9]*)
        | (?P<string>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'|`[^`]*`)
        | (?P<op>==|!=|=~|!~|>=|<=|>/|</|[-+*/%^=><@(){{}}\[\],:])
        """,
        re.VERBOSE | re.ASCII,
    )


_TOKEN: Final = _tokens("a-zA-Z_:")
_TOKEN_WITHOUT_COLON: Final = _tokens("a-zA-Z_")
"""Within brackets and braces a colon is a token of its own: `[5m:step()]`."""

_OPERATORS: Final = frozenset({
    "+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "=~", "!~", "</", ">/", "and", "or",
    "unless", "atan2",
})  # fmt: skip


class Token(NamedTuple):
    """A token. `kind` is `name`, `number`, `duration`, `string`, `end`, or the symbol itself."""

    kind: str
    text: str
    span: Span

    @property
    def keyword(self) -> str:
        """The name in small letters, as keywords are compared; empty for any other token."""
        return self.text.lower() if self.kind == "name" else ""

    def describe(self) -> str:
        """The token as messages name it."""
        match self.kind:
            case "end":
                return "end of input"
            case "name":
                return self._describe_name()
            case "number" | "duration" | "string":
                return f"{self.kind} {quote(self.text)}"
        return f"<op:{self.kind}>" if self.kind in _OPERATORS else quote(self.kind)

    def _describe_name(self) -> str:
        word = self.keyword
        if word in _OPERATORS:
            return f"<op:{word}>"
        if word in AGGREGATIONS:
            return f"<aggr:{word}>"
        return f"<{word}>" if word in KEYWORDS else f"identifier {quote(self.text)}"


def tokenize(text: str) -> list[Token]:
    """The tokens of an expression, the last of kind `end`.

    Raises:
        ParseError: Something in the text is no token.
    """
    tokens: list[Token] = []
    at, inside = 0, 0
    _check_unicode(text)
    while at < len(text):
        found = _match(text, at, _TOKEN_WITHOUT_COLON if inside > 0 else _TOKEN)
        kind = found.lastgroup or ""
        if kind != "skip":
            symbol = _symbol(kind, found.group(), inside)
            tokens.append(Token(symbol, found.group(), Span(at, found.end())))
            inside += (symbol in "[{") - (symbol in "]}")
        at = found.end()
    return [*tokens, Token("end", "", Span(len(text), len(text)))]


def _symbol(kind: str, text: str, inside: int) -> str:
    if kind == "op":
        return text
    return "number" if not inside and kind == "name" and text.lower() in {"inf", "nan"} else kind


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ParseError("the text is not valid Unicode", Span(error.start, error.end), text) from error


def _match(text: str, at: int, pattern: re.Pattern[str]) -> re.Match[str]:
    found = pattern.match(text, at)
    if found is None:
        raise ParseError(_complaint(text[at]), Span(at, len(text)), text)
    if found.lastgroup == "bad":
        cause = f"bad number or duration syntax: {quote(found.group())}"
        raise ParseError(cause, Span(at, found.end()), text)
    return found


def _complaint(char: str) -> str:
    if char in "\"'":
        return "unterminated quoted string"
    return "unterminated raw string" if char == "`" else f"unexpected character: {quote(char)}"
