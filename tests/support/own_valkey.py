"""A Valkey of a test's own, which it may stop, freeze and start again."""

import subprocess
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path

from redis import Redis, RedisError
from support.servers import free_port, running, wait_until

from watchfleet.embedded import valkey


class Valkey:
    """A server of the test's own, which keeps its data over a restart."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        port = free_port()
        self.url = valkey.url(port, "password")
        self._command = valkey.serve_command(valkey.configure(folder, port, "password"))
        self.start()

    def start(self) -> None:
        self._running: AbstractContextManager[subprocess.Popen[bytes]] = running(
            self._command, self.folder / "log"
        )
        self.process = self._stack.enter_context(self._running)
        wait_until(self._answers)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def _answers(self) -> bool:
        with closing(Redis.from_url(self.url)) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False
