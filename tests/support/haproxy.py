"""A real HAProxy in front of one server, which it checks by `httpchk`."""

import csv
import io
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.servers import free_port, running

PROGRAM = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
needs_haproxy = pytest.mark.skipif(PROGRAM is None, reason="Debian's haproxy is not installed")

_CONFIGURATION = """
global
  stats socket {socket} mode 600
  stats timeout 10s
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend all
  bind 127.0.0.1:{front}
  default_backend fleet
backend fleet
  option httpchk GET {path}
  server web 127.0.0.1:{port} check inter 200ms fall 1 rise 1
"""


class HAProxy:
    """A running one.

    Args:
        socket_path: Where it answers about itself.
        port: Where it takes requests.
    """

    def __init__(self, socket_path: Path, port: int) -> None:
        self._socket, self.port = socket_path, port

    def status(self) -> str:
        """What it says of its server: `UP`, `DOWN` and so on."""
        try:
            answer = self._ask("show stat")
        except (FileNotFoundError, ConnectionRefusedError):
            return "starting"
        rows = csv.DictReader(io.StringIO(answer.removeprefix("# ")))
        return next(row["status"] for row in rows if row["svname"] == "web")

    def _ask(self, question: str) -> str:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(10)
            connection.connect(str(self._socket))
            connection.sendall(f"{question}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


@contextmanager
def haproxy(folder: Path, port: int, path: str) -> Iterator[HAProxy]:
    """One that checks `path` of the server on `port` five times a second."""
    front, socket_path = free_port(), folder / "haproxy.sock"
    configuration = folder / "haproxy.cfg"
    configuration.write_text(_CONFIGURATION.format(socket=socket_path, front=front, path=path, port=port))
    with running([str(PROGRAM), "-f", str(configuration)], folder / "haproxy.log"):
        yield HAProxy(socket_path, front)
