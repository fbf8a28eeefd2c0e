"""pytest-celery's setup with real processes: two workers of the fleet and a Valkey."""

import pytest
from celery.result import AsyncResult
from pytest_celery import CeleryTestSetup
from support.worker_tasks import add


def result(setup: CeleryTestSetup, x: int, y: int) -> AsyncResult:
    return setup.app.send_task(add.name, (x, y))


# kombu forgets a socket whose broker was killed; it is closed when it is collected.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)
def test_work_goes_on_when_workers_and_broker_are_killed(celery_setup: CeleryTestSetup):
    assert celery_setup.ready(control=True)
    killed, other = celery_setup.worker_cluster
    assert result(celery_setup, 1, 2).get(timeout=30) == 3

    killed.kill()
    assert result(celery_setup, 3, 4).get(timeout=30) == 7

    other.kill()
    waiting = result(celery_setup, 5, 6)
    celery_setup.broker.kill()
    celery_setup.broker.restart()
    assert celery_setup.broker.ready()
    killed.restart()
    assert waiting.get(timeout=30) == 11
