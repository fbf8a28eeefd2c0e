"""A place in the tokens of an expression, and what may be said about it."""

from watchfleet.promql.errors import ParseError, Span
from watchfleet.promql.lexer import Token, tokenize


class Cursor:
    """Reads tokens one after the other.

    Args:
        text: The expression.
    """

    def __init__(self, text: str) -> None:
        self._tokens = tokenize(text)
        self._at = 0

    @property
    def token(self) -> Token:
        """The token that comes next."""
        return self._tokens[self._at]

    @property
    def place(self) -> int:
        """How many tokens have been read."""
        return self._at

    @property
    def following(self) -> Token:
        """The token after the next one."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Read the next token; the last one stays."""
        token = self.token
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def accept(self, *kinds: str) -> Token | None:
        """Read the next token if it is of one of these kinds."""
        return self.take() if self.token.kind in kinds else None

    def accept_word(self, *words: str) -> str:
        """Read the next token if it is one of these keywords; gives the word, or nothing."""
        return self.take().keyword if self.token.keyword in words else ""

    def expect(self, kind: str, context: str = "", expected: str = "") -> Token:
        """Read the next token, which must be of this kind.

        Raises:
            ParseError: It is another.
        """
        if self.token.kind != kind:
            raise self.unexpected(context, expected)
        return self.take()

    def unexpected(self, context: str = "", expected: str = "") -> ParseError:
        """The error that the next token cannot stand here."""
        where = f" in {context}" if context else ""
        wanted = f", expected {expected}" if expected else ""
        return ParseError(f"unexpected {self.token.describe()}{where}{wanted}", self.token.span)

    def since(self, start: int) -> Span:
        """The text from an offset to the end of the last token that was read."""
        return Span(start, self._tokens[self._at - 1].span.end if self._at else start)
