"""What a breaker raises."""

from watchfleet.errors import WatchfleetError


class CallNotPermittedError(WatchfleetError):
    """A circuit breaker refused a call.

    Args:
        name: The breaker's name.
        state: Its state, such as `OPEN`.
        retry_after: Seconds after which a call may be permitted; None when that is an operator's decision.
    """

    def __init__(self, name: str, state: str, retry_after: float | None) -> None:
        wait = "" if retry_after is None else f"; try again in {retry_after:.1f} s"
        super().__init__(f"the circuit breaker {name} is {state} and permits no call{wait}")
        self.name, self.state, self.retry_after = name, state, retry_after

    def __reduce__(self) -> tuple[type, tuple[str, str, float | None]]:
        """Survives pickling: Celery sends exceptions between processes."""
        return type(self), (self.name, self.state, self.retry_after)
