"""What can be wrong with a question about logs."""

from watchfleet.errors import WatchfleetError


class LogQueryError(WatchfleetError):
    """A question about logs cannot be answered as it is.

    Args:
        parameter: Which part of it.
        message: What is wrong, and what to write instead.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter


class NoSuchLogError(WatchfleetError):
    """There is no such log file."""
