"""Ports of the loopback address: which are free, who has the others, which to take."""

import random
import socket
from collections.abc import Collection
from typing import Final

import psutil

from watchfleet.errors import FleetError

HOST: Final = "127.0.0.1"
# Below the range that systems give to outgoing connections: a client that tries again and again while its
# server restarts could otherwise be given the server's own port, and keep the server from coming back.
_RANGE: Final = range(15_000, 30_000)
_TRIES: Final = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now.

    Raises:
        FleetError: This user may not listen there at all.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except PermissionError as error:
            raise FleetError(f"port {port} is for root alone: name one above 1023") from error
        except OSError:
            return False
    return True


def free_port(taken: Collection[int] = ()) -> int:
    """A free port that is none of `taken`.

    Raises:
        FleetError: There is none.
    """
    for port in random.sample(_RANGE, _TRIES):
        if port not in taken and is_free(port):
            return port
    raise FleetError(f"no free port found between {_RANGE.start} and {_RANGE.stop - 1}")


def holder(port: int) -> str:
    """Who listens on a port, as `nginx (pid 812)`; or what little can be known."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "another process"
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            return _named(connection.pid)
    return "another process"


def _named(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"
