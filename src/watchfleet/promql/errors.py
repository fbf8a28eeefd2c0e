"""What can be wrong with a query, and where in its text."""

from typing import NamedTuple

from watchfleet.errors import WatchfleetError


class Span(NamedTuple):
    """A part of an expression's text: offsets in characters, from 0, the end not included."""

    start: int
    end: int


class QueryError(WatchfleetError):
    """The query cannot be answered.

    Args:
        cause: What is wrong, in Prometheus's words where it has some.
        span: The part of the expression that is to blame, if one is.
        text: The whole expression; `locate` adds it later where it is not at hand.
    """

    prefix = ""

    def __init__(self, cause: str, span: Span | None = None, text: str | None = None) -> None:
        super().__init__(cause)
        self.cause, self.span, self.text = cause, span, text

    @property
    def position(self) -> tuple[int, int] | None:
        """Line and column of what is to blame, both from 1; None while the text is unknown."""
        if self.text is None:
            return None
        return position_in(self.text, self.span.start if self.span else 0)

    def locate(self, text: str) -> None:
        """Tell the error which text its span is a part of, unless it knows."""
        if self.text is None:
            self.text = text

    def __str__(self) -> str:
        where = "{}:{}: ".format(*self.position) if self.position else ""
        return f"{where}{self.prefix}{self.cause}"


class ParseError(QueryError):
    """The expression is not PromQL, or its types do not fit together."""

    prefix = "parse error: "


class QueryLimitError(QueryError):
    """The query would cost more than its limits allow."""


class QueryTimeoutError(QueryLimitError):
    """The query took longer than its limits allow."""


def position_in(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both counted from 1."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
