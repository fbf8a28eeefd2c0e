"""A breaker as an option of a Celery task."""

from typing import Any, ClassVar

from celery import Task
from celery.exceptions import Ignore, Reject, Retry

from watchfleet.breaker.circuit import Breaker, Call
from watchfleet.breaker.errors import CallNotPermittedError


class BreakerTask(Task):  # type: ignore[misc]  # Celery publishes no types
    """The base of tasks with the option `breaker`: a `Breaker`, or the name of one with the default policy.

    A run that the breaker refuses is retried when the wait is over, within the task's `max_retries`; after
    that it fails with `CallNotPermittedError`.
    """

    breaker: ClassVar[Breaker | str | None] = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it under guard."""
        breaker = self._breaker()
        if breaker is None:
            return super().__call__(*args, **kwargs)
        try:
            call = breaker.begin()
        except CallNotPermittedError as error:
            return self._later(error)
        try:
            result = super().__call__(*args, **kwargs)
        except BaseException as error:
            _end(call, error)
            raise
        call.judge(result)
        call.returned()
        return result

    def _breaker(self) -> Breaker | None:
        if isinstance(self.breaker, str):
            type(self).breaker = Breaker(self.breaker)
        return self.breaker if isinstance(self.breaker, Breaker) else None

    def _later(self, error: CallNotPermittedError) -> Any:
        """Retry when the wait is over; called outside of a worker, raise."""
        if self.request.called_directly:
            raise error
        wait = self.default_retry_delay if error.retry_after is None else max(error.retry_after, 0.1)
        raise self.retry(exc=error, countdown=wait)


def _end(call: Call, error: BaseException) -> None:
    """Celery's own exceptions are decisions of the task; a retry because of a failure is that failure."""
    cause = error.exc if isinstance(error, Retry) else error
    if isinstance(cause, BaseException) and not isinstance(cause, Ignore | Reject):
        call.raised(cause)
    else:
        call.ignored()
