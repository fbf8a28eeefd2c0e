"""A breaker for what `requests` sends: mount it on a session."""

from typing import Any, Final

import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from watchfleet.breaker.circuit import Breaker
from watchfleet.breaker.errors import CallNotPermittedError

FAILURES: Final = frozenset({429, *range(500, 600)})
"""Statuses by which a server says that it cannot serve."""


class RequestNotPermittedError(CallNotPermittedError, requests.ConnectionError):
    """A breaker refused a request; those who handle `requests.ConnectionError` handle this."""


class BreakerAdapter(HTTPAdapter):
    """Sends under a breaker's guard. Answers of 429 and 5xx are failures, and so is what `requests` raises.

    Args:
        breaker: The breaker.
        options: Those of `requests.adapters.HTTPAdapter`.
    """

    def __init__(self, breaker: Breaker, **options: Any) -> None:
        self._breaker = breaker
        super().__init__(**options)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send it.

        Raises:
            RequestNotPermittedError: The breaker refuses.
        """
        try:
            call = self._breaker.begin()
        except CallNotPermittedError as error:
            raise RequestNotPermittedError(error.name, error.state, error.retry_after) from None
        try:
            response = super().send(request, *args, **kwargs)
        except BaseException as error:
            call.raised(error)
            raise
        if response.status_code in FAILURES:
            call.fail()
        call.judge(response)
        call.returned()
        return response
