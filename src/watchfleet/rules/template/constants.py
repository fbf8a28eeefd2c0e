"""What the literals in a template mean."""

import re
from typing import Final

from watchfleet.promql.errors import ParseError, Span
from watchfleet.promql.format import quote
from watchfleet.promql.literals import unquote
from watchfleet.rules.template.errors import TemplateSyntaxError
from watchfleet.rules.template.lexer import Token
from watchfleet.rules.template.nodes import Number

_WHOLE: Final = re.compile(r"[+-]?(?:0[xX]_?[0-9a-fA-F_]+|0[oO]?_?[0-7_]*|0[bB]_?[01_]+|[1-9][0-9_]*)")
_LEGACY_OCTAL: Final = re.compile(r"([+-]?)0_?([0-7_]+)")
LONGEST_NUMBER: Final = 100
"""Characters."""


def string_of(token: Token) -> str:
    """A string's value.

    Raises:
        TemplateSyntaxError: It has an escape that Go does not know.
    """
    try:
        return unquote(token.text, Span(token.offset, token.offset + len(token.text)))
    except ParseError as error:
        raise TemplateSyntaxError("invalid syntax", token.offset) from error


def char_of(token: Token) -> Number:
    """A character constant: its code point.

    Raises:
        TemplateSyntaxError: It is not one character.
    """
    value = string_of(token)
    if len(value) != 1:
        raise TemplateSyntaxError(f"malformed character constant: {token.text}", token.offset)
    return Number(token.text, ord(value), float(ord(value)), is_float=False, offset=token.offset)


def number_of(token: Token) -> Number:
    """A number.

    Raises:
        TemplateSyntaxError: It is none, or too large.
    """
    text = token.text
    try:
        whole, value = _parsed(text)
    except (ValueError, OverflowError) as error:
        cause = "integer overflow" if isinstance(error, OverflowError) else "bad number syntax"
        raise TemplateSyntaxError(f"{cause}: {quote(text[:LONGEST_NUMBER])}", token.offset) from error
    is_hex = text.lstrip("+-")[:2].lower() == "0x"
    is_float = whole is None or (not is_hex and any(sign in text for sign in ".eEpP"))
    return Number(text, whole, value, is_float, token.offset)


def _parsed(text: str) -> tuple[int | None, float]:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(text)
    if _WHOLE.fullmatch(text):
        octal = _LEGACY_OCTAL.fullmatch(text)
        whole = int(octal[1] + octal[2], 8) if octal else int(text, 0)
        if not -(2**63) <= whole < 2**64:
            raise OverflowError(text)
        return whole, float(whole)
    value = float.fromhex(text) if "x" in text.lower() else float(text)
    if not abs(value) < float("inf"):
        raise ValueError(text)
    return (int(value) if value.is_integer() and abs(value) < 2**63 else None), value
