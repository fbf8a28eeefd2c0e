"""Which kind a statement is of: the same statement with other values is of the same kind.

PostgreSQL's own parser tells (`pgparse`, that is libpg_query), as it knows what is a value: IN lists of any
length, the order of conditions, aliases and spacing make no difference. Where it is missing, or does not
parse the statement of another database, a plain rule tells: values become `?`, blanks one space.
"""

import re
from contextlib import suppress
from hashlib import blake2b
from types import ModuleType
from typing import Final

LONGEST: Final = 1000
"""Characters of the text of a kind."""
_PLACEHOLDER: Final = re.compile(r"%\(\w+\)s|%s")
_COMMENT: Final = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
# An unclosed quote reaches to the end: rather too much is taken for a value than too little.
_STRING: Final = re.compile(r"(?:\b[eE])?'(?:[^'\\]|''|\\.)*(?:'|\\?\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)", re.DOTALL)
_OTHER_VALUE: Final = re.compile(r"(?<![\w$\"])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?\b|[$:@]\w+", re.IGNORECASE)
_LIST: Final = re.compile(r"\(\s*\?(?:\s*,\s*\?)*\s*\)")

_parser: ModuleType | None = None
with suppress(ImportError):
    import pgparse

    _parser = pgparse


def key_of(statement: str) -> str:
    """The key of a statement's kind: 16 hexadecimal digits."""
    if _parser is not None:
        with suppress(_parser.PGQueryError):
            return str(_parser.fingerprint(_numbered(statement)))
    return blake2b(_plain(statement).encode(errors="replace"), digest_size=8).hexdigest()


def text_of(statement: str) -> str:
    """A statement of the kind, without values, which may be secret; 1,000 characters at most."""
    if _parser is not None:
        with suppress(_parser.PGQueryError):
            # It leaves comments, and what is quoted in statements such as COPY and COMMENT, as it was.
            return _STRING.sub("?", _flat(_parser.normalize(_numbered(statement))))[:LONGEST]
    return _plain(statement)[:LONGEST]


def _numbered(statement: str) -> str:
    """The statement with a driver's placeholders as PostgreSQL has them."""
    return _PLACEHOLDER.sub("$1", statement).replace("%%", "%") if "%" in statement else statement


def _plain(statement: str) -> str:
    values = _PLACEHOLDER.sub("?", _OTHER_VALUE.sub("?", _STRING.sub("?", _flat(statement))))
    return _LIST.sub("(?)", values)


def _flat(statement: str) -> str:
    return " ".join(_COMMENT.sub(" ", statement).split())
