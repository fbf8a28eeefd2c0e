"""A template's text as tokens, by the rules of Go's `text/template/parse`."""

import re
from collections.abc import Generator, Iterator
from typing import Final, NamedTuple

from watchfleet.promql.format import quote
from watchfleet.rules.template.errors import TemplateSyntaxError

KEYWORDS: Final = frozenset({
    "block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with",
})  # fmt: skip
_SPACES: Final = " \t\r\n"
_TOKEN: Final = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
    | (?P<raw>`[^`]*`)
    | (?P<char>'(?:[^'\\\n]|\\[^\n])+')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]+)?
        |(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?)i?)
    | (?P<variable>\$\w*)
    | (?P<field>\.(?!\d)\w+)
    | (?P<dot>\.)
    | (?P<op>:=|[=|(),])
    | (?P<word>\w+)
    | (?P<symbol>[!-~])
    """,
    re.VERBOSE,
)
_OCTAL: Final = re.compile(r"[+-]?0[oObB][0-7_]+")
_UNCLOSED: Final = {
    '"': "unterminated quoted string",
    "`": "unterminated raw quoted string",
    "'": "unterminated character constant",
}


class Token(NamedTuple):
    """A token.

    `kind` is `text`, `open`, `close`, `space`, `string`, `char`, `number`, `variable`, `field`, `dot`,
    `name`, `bool`, `symbol` (one that means nothing), `eof`, a keyword, or the sign itself.
    """

    kind: str
    text: str
    offset: int

    def describe(self) -> str:
        """The token as Go's messages name it."""
        if self.kind == "eof":
            return "EOF"
        if self.kind in KEYWORDS:
            return f"<{self.text}>"
        return quote(self.text if len(self.text) <= 10 else self.text[:10]) + (
            "..." if len(self.text) > 10 else ""
        )


def tokenize(text: str) -> Iterator[Token]:
    """The tokens of a template, the last of kind `eof`.

    Raises:
        TemplateSyntaxError: Something in the text is no token.
    """
    at, trim = 0, False
    while (start := text.find("{{", at)) >= 0:
        trims_left = text[start + 2 : start + 3] == "-" and text[start + 3 : start + 4] in {*_SPACES}
        yield from _text(text, at, start, trim, trims_left)
        inside = start + (4 if trims_left else 2)
        if text.startswith("/*", inside):
            at, trim = _comment(text, inside)
        else:
            yield Token("open", "{{", start)
            at, trim = yield from _action(text, inside)
    yield from _text(text, at, len(text), trim, trims_right=False)
    yield Token("eof", "", len(text))


def _text(text: str, start: int, end: int, trims_left: bool, trims_right: bool) -> Iterator[Token]:  # noqa: FBT001 - the two sides
    part = text[start:end]
    if trims_right:
        part = part.rstrip(_SPACES)
    if trims_left:
        kept = part.lstrip(_SPACES)
        start, part = start + len(part) - len(kept), kept
    if part:
        yield Token("text", part, start)


def _comment(text: str, start: int) -> tuple[int, bool]:
    end = text.find("*/", start)
    if end < 0:
        raise TemplateSyntaxError("unclosed comment", start)
    end += 2
    if text.startswith("}}", end):
        return end + 2, False
    if text[end : end + 1] in {*_SPACES} and text.startswith("-}}", end + 1):
        return end + 4, True
    raise TemplateSyntaxError("comment ends before closing delimiter", start)


def _action(text: str, at: int) -> Generator[Token, None, tuple[int, bool]]:
    """The tokens up to the closing delimiter; returns where the text goes on, and whether it is trimmed."""
    depth = 0
    while True:
        if text.startswith("}}", at):
            if depth > 0:
                raise TemplateSyntaxError("unclosed left paren", at)
            yield Token("close", "}}", at)
            return at + 2, False
        token = _token(text, at)
        depth += (token.kind == "(") - (token.kind == ")")
        yield token
        at += len(token.text)
        if token.kind == "space" and text.startswith("-}}", at):
            yield Token("close", "}}", at)
            return at + 3, True


def _token(text: str, at: int) -> Token:
    found = _OCTAL.match(text, at) or _TOKEN.match(text, at)
    if found is None or found[0] in {'"', "`", "'", ":"}:
        raise TemplateSyntaxError(_complaint(text, at), at)
    kind, content = found.lastgroup or "number", found.group()
    if kind in {"word", "variable", "field", "number"}:
        _check_end(text, found.end(), kind, at)
    match kind:
        case "op":
            kind = content
        case "raw":
            kind = "string"
        case "word":
            kind = content if content in KEYWORDS else "bool" if content in {"true", "false"} else "name"
    return Token(kind, content, at)


def _check_end(text: str, end: int, kind: str, start: int) -> None:
    following = text[end : end + 1]
    if kind == "number":
        if following.isalnum() or following == "_":
            raise TemplateSyntaxError(f"bad number syntax: {quote(text[start : end + 1])}", start)
        return
    if following and following not in f"{_SPACES}.,|:)(=" and not text.startswith("}}", end):
        raise TemplateSyntaxError(f"bad character {_char(following)}", end)


def _complaint(text: str, at: int) -> str:
    if at >= len(text):
        return "unclosed action"
    if text[at] == ":":
        return "expected :="
    return _UNCLOSED.get(text[at]) or f"unrecognized character in action: {_char(text[at])}"


def _char(char: str) -> str:
    return f"U+{ord(char):04X}" + (f" '{char}'" if char.isprintable() else "")
