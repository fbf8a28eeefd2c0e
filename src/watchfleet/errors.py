"""Every error that watchfleet raises on purpose. A class's docstring is its default message."""

import inspect
from pathlib import Path


class WatchfleetError(Exception):
    """Something in watchfleet failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))


class ConfigError(WatchfleetError):
    """The configuration cannot be used.

    Args:
        message: What is wrong, with the value that was found.
        path: The file that holds it, if a file does.
        line: Its line there, from 1.
        column: Its column there, from 1.
        mend: What to write instead.
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path | None = None,
        line: int | None = None,
        column: int | None = None,
        mend: str | None = None,
    ) -> None:
        place = ":".join(str(part) for part in (path, line, column) if part is not None) if path else ""
        super().__init__((f"{place}: " if place else "") + message + (f" ({mend})" if mend else ""))
        self.message, self.path, self.line, self.column, self.mend = message, path, line, column, mend


class StoreUnavailableError(WatchfleetError):
    """PostgreSQL does not answer."""


class FleetError(WatchfleetError):
    """The fleet could not be started, reached or stopped."""


class DeliveryError(WatchfleetError):
    """A notification could not be delivered.

    Args:
        reason: A short snake_case name for metrics and the audit, such as `http_404`.
        permanent: Whether another try is pointless.
        retry_after: Seconds that the receiver asked us to wait, if it did.
        detail: What the receiver said, for people; redacted before it is stored.
    """

    def __init__(
        self, reason: str, *, permanent: bool, retry_after: float | None = None, detail: str = ""
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.permanent, self.retry_after = reason, permanent, retry_after
