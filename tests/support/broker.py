"""What beats send, read from the queues of a Redis that no worker consumes."""

import json
import threading
from collections import Counter
from typing import Self

from redis import Redis
from support.servers import wait_until

from watchfleet import fleet


class Ticks:
    """Collects the messages of the fleet's queues as they come, and empties the queues.

    Args:
        url: The Redis.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, decode_responses=True, socket_timeout=5)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self.ids: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(10)
        self._redis.close()

    def of(self, entry: str) -> list[str]:
        """The slots of an entry, in the order in which they came."""
        return [slot for name, _, slot in (found.partition(":") for found in self.ids) if name == entry]

    def doubled(self) -> list[str]:
        return [one for one, times in Counter(self.ids).items() if times > 1]

    def wait_for(self, entry: str) -> None:
        """Wait until one more has come."""
        before = len(self.of(entry))
        wait_until(lambda: len(self.of(entry)) > before)

    def _collect(self) -> None:
        queues = fleet.queue_names()
        while not self._end.is_set():
            found = self._redis.blmpop(0.2, len(queues), *queues, direction="RIGHT", count=100)
            for message in found[1] if found else ():
                self.ids.append(json.loads(message)["headers"]["id"])
