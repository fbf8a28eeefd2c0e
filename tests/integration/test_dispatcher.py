"""The dispatcher as a process: it is woken by the store, and another takes over from one that is killed."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

import pytest
from sqlalchemy import select
from support.policies import configured
from support.servers import ROOT, running, wait_until

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.db.tables import outbox
from watchfleet.notify import pipeline
from watchfleet.notify.incoming import Alert, named

CONFIG = """
route: {receiver: a, group_by: ['...'], group_wait: 100ms, group_interval: 1h}
receivers: [{name: a, log_configs: [{}]}]
"""


@pytest.fixture
def dispatchers(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Popen[bytes]]]:
    """Two of them."""
    (tmp_path / "am.yml").write_text(CONFIG)
    environment.setenv("NOTIFY_CONFIG", str(tmp_path / "am.yml"))
    environment.chdir(ROOT)
    with ExitStack() as stack:
        logs = [tmp_path / f"{number}.log" for number in (1, 2)]
        command = [sys.executable, "-m", "workers.dispatcher"]
        found = [stack.enter_context(running(command, log)) for log in logs]
        wait_until(lambda: all("dispatches" in log.read_text() for log in logs))
        yield found


def fire(number: int) -> None:
    labels, name = named({"alertname": "Down", "n": str(number)})
    with transaction() as connection:
        alert = Alert(name, labels, {}, utcnow(), None, utcnow())
        pipeline.submit(connection, configured(CONFIG), [alert], utcnow(), wakes=False)


def told() -> list[tuple[str, bool]]:
    with transaction() as connection:
        rows = connection.execute(select(outbox.c.message, outbox.c.published_at).order_by(outbox.c.id))
        return [(row.message["group_labels"]["n"], row.published_at is not None) for row in rows]


def test_groups_are_looked_at_when_they_are_due_also_after_a_kill(dispatchers: list[Popen[bytes]]) -> None:
    for number in range(3):
        fire(number)
    wait_until(lambda: sorted(told()) == [(str(number), True) for number in range(3)])
    dispatchers[0].kill()
    fire(3)
    wait_until(lambda: len(told()) == 4)
    dispatchers[1].terminate()
    assert dispatchers[1].wait(10) == 0
