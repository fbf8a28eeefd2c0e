"""The events of tasks, as Flower gets them."""

import threading
from typing import Any, Self

from celery import Celery
from support.servers import wait_until

Event = dict[str, Any]


class TaskEvents:
    """Collects events from the broker.

    Args:
        url: The broker.
    """

    def __init__(self, url: str) -> None:
        self._app = Celery(broker=url, set_as_current=False)
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._seen: list[Event] = []

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.should_stop = True
        self._thread.join(10)
        self._app.close()

    def of(self, kind: str, task_id: str = "") -> list[Event]:
        """Events of one kind, such as `task-failed`, of one task or of all."""
        return [one for one in self._seen if one["type"] == kind and one["uuid"].startswith(task_id)]

    def wait_for(self, kind: str, task_id: str) -> Event:
        wait_until(lambda: bool(self.of(kind, task_id)))
        return self.of(kind, task_id)[0]

    def _collect(self) -> None:
        with self._app.connection_for_read() as connection:
            self._receiver = self._app.events.Receiver(connection, handlers={"*": self._note})
            self._receiver.on_consume_ready = lambda *_, **__: self._listening.set()
            self._receiver.capture(limit=None, wakeup=False)

    def _note(self, event: Event) -> None:
        if event["type"].startswith("task-"):
            self._seen.append(event)
