"""A breaker without a Redis: its policy, and what applications put it round."""

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
from celery import Celery
from celery.exceptions import Ignore
from redis import Redis
from support.servers import free_port

from watchfleet.breaker import Breaker, CallNotPermittedError, Link, Policy
from watchfleet.breaker.celery import BreakerTask
from watchfleet.breaker.requests import BreakerAdapter
from watchfleet.errors import ConfigError


def alone(name: str = "alone", **policy: Any) -> Breaker:
    """A breaker whose Redis is not there."""
    client = Redis(port=free_port(), socket_connect_timeout=1)
    return Breaker(name, Policy(**{"sliding_window_size": 2, **policy}), redis=Link(client, pause=600))


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sliding_window_type", "calls"),
        ("sliding_window_size", 0),
        ("sliding_window_size", 2.5),
        ("minimum_number_of_calls", 0),
        ("failure_rate_threshold", 101),
        ("wait_duration_in_open_state", float("nan")),
        ("wait_backoff", 0.5),
        ("permitted_number_of_calls_in_half_open_state", True),
        ("trial_lease", "60"),
    ],
)
def test_a_policy_that_cannot_be_is_named(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        Policy(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "two words", "a{b}", "x" * 201])
def test_a_name_that_would_leave_its_slot_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no name"):
        Breaker(name)


def test_the_wait_grows_to_its_longest() -> None:
    policy = Policy(wait_duration_in_open_state=1, wait_backoff=3, max_wait_duration_in_open_state=20)
    assert [policy.wait(openings) for openings in range(5)] == [1, 3, 9, 20, 20]


def test_exceptions_are_judged_by_the_policy() -> None:
    breaker = alone(
        failure_rate_threshold=100, record_exceptions=(OSError,), ignore_exceptions=(FileNotFoundError,)
    )
    for error in (ValueError(), FileNotFoundError(), KeyboardInterrupt()):
        for _ in range(5):
            with pytest.raises(type(error)):
                breaker.call(fail, error)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            breaker.call(fail, ConnectionError())
    with pytest.raises(CallNotPermittedError) as caught:
        breaker.call(fail, OSError())
    assert 59 < (caught.value.retry_after or 0) <= 60
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_result_may_be_a_failure() -> None:
    @alone(record_result=lambda result: result is None)
    def look() -> None:
        """Finds nothing."""

    assert look.__doc__ == "Finds nothing."
    look()
    look()
    with pytest.raises(CallNotPermittedError):
        look()


def test_a_block_may_say_that_it_failed() -> None:
    breaker = alone()
    for _ in range(2):
        with breaker.guard() as call:
            call.fail()
    with pytest.raises(CallNotPermittedError), breaker.guard():
        pass


def test_coroutines_are_guarded_while_they_are_awaited() -> None:
    @alone()
    async def load() -> None:
        await asyncio.sleep(0)
        raise ConnectionError

    async def twice() -> None:
        for _ in range(2):
            with pytest.raises(ConnectionError):
                await load()
        with pytest.raises(CallNotPermittedError):
            await load()

    asyncio.run(twice())


def test_a_generator_is_refused_as_nothing_would_guard_it() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="numbers"):
        alone()(numbers)


def test_requests_count_answers_of_a_failing_server() -> None:
    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Failing) as server, requests.Session() as session:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            session.mount("http://", BreakerAdapter(alone()))
            url = f"http://127.0.0.1:{server.server_port}/"
            assert [session.get(url, timeout=5).status_code for _ in range(2)] == [503, 503]
            with pytest.raises(requests.ConnectionError) as caught:
                session.get(url, timeout=5)
            assert isinstance(caught.value, CallNotPermittedError)
        finally:
            server.shutdown()
            thread.join()


def test_a_task_has_a_breaker_by_option() -> None:
    app, breaker, runs = Celery("shop", broker="memory://"), alone(), []

    @app.task(base=BreakerTask, breaker=breaker, bind=True, max_retries=0)
    def charge(self: Any, error: BaseException) -> None:
        runs.append(error)
        raise error

    for _ in range(3):
        charge.apply(args=[Ignore()])
    results = [charge.apply(args=[OSError()]) for _ in range(3)]
    assert [type(result.result) for result in results] == [OSError, OSError, CallNotPermittedError]
    assert len(runs) == 5
    with pytest.raises(CallNotPermittedError):
        charge(OSError())


def test_an_application_imports_little() -> None:
    heavy = "sqlalchemy flask celery numpy requests psycopg2 prometheus_client pycurl alembic"
    code = f"import sys, watchfleet.breaker; print([m for m in {heavy.split()} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
