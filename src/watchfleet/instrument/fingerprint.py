"""Which kind a statement is of: the same statement with other values is of the same kind.

PostgreSQL's own parser tells (`pgparse`, that is libpg_query), as it knows what is a value: IN lists of any
length, the order of conditions, aliases and spacing make no difference. Where it is missing, or does not
parse the statement of another database, a plain rule tells: values become `?`, blanks one space.
"""

import re
from contextlib import suppress
from hashlib import blake2b
from types import ModuleType
from typing import Final, NamedTuple

LONGEST: Final = 1000
"""Characters of the text of a kind; what is beyond them is cut off."""
_PLACEHOLDER: Final = re.compile(r"%\(\w+\)s|%s")
_COMMENT: Final = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_VALUE: Final = re.compile(
    r"'(?:[^']|'')*'|(?<![\w$\"])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?\b|[$:@]\w+", re.IGNORECASE
)
_LIST: Final = re.compile(r"\(\s*\?(?:\s*,\s*\?)*\s*\)")

_parser: ModuleType | None = None
with suppress(ImportError):
    import pgparse

    _parser = pgparse


class Fingerprint(NamedTuple):
    """A kind of statements.

    Attributes:
        key: 16 hexadecimal digits.
        text: A statement of the kind without its values, which may be secret.
    """

    key: str
    text: str


def key_of(statement: str) -> str:
    """The key of a statement's kind."""
    if _parser is not None:
        with suppress(_parser.PGQueryError):
            return str(_parser.fingerprint(_numbered(statement)))
    return blake2b(_plain(statement).encode(errors="replace"), digest_size=8).hexdigest()


def text_of(statement: str) -> str:
    """The statement without its values."""
    if _parser is not None:
        with suppress(_parser.PGQueryError):
            # What it gives back of a comment is as it was, and a comment may hold anything.
            return _flat(_parser.normalize(_numbered(statement)))
    return _plain(statement)[:LONGEST]


def _numbered(statement: str) -> str:
    """The statement with a driver's placeholders as PostgreSQL has them."""
    return _PLACEHOLDER.sub("$1", statement).replace("%%", "%") if "%" in statement else statement


def _plain(statement: str) -> str:
    values = _PLACEHOLDER.sub("?", _VALUE.sub("?", _flat(statement, len(statement))))
    return _LIST.sub("(?)", values)


def _flat(statement: str, longest: int = LONGEST) -> str:
    return " ".join(_COMMENT.sub(" ", statement).split())[:longest]
