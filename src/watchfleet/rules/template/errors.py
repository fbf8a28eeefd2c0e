"""What can be wrong with a template, and where in its text."""

from watchfleet.errors import WatchfleetError


class TemplateError(WatchfleetError):
    """A template cannot be read or carried out.

    Args:
        cause: What is wrong, in Go's words.
        offset: Where in the template's text, in characters from 0; None if it is nowhere in particular.
    """

    def __init__(self, cause: str, offset: int | None = None) -> None:
        super().__init__(cause)
        self.cause, self.offset = cause, offset


class TemplateSyntaxError(TemplateError):
    """A template's text is not Go's template language."""


class TemplateLimitError(TemplateError):
    """A template needs more steps, depth, queries or text than it may use."""
