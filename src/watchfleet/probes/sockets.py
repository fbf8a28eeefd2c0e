"""Connections of probes that speak for themselves: looked up once, and opened only where the guard allows."""

import re
import socket
from contextlib import suppress
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from watchfleet.addresses import operator_guard
from watchfleet.probes import reasons
from watchfleet.probes.probe import Deadline, Options
from watchfleet.probes.reasons import Reason
from watchfleet.settings import get_settings

IpVersion = Literal["any", "4", "6"]
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s\[\]:/@]+):(\d{1,5})")
_FAMILIES: Final = {"any": socket.AF_UNSPEC, "4": socket.AF_INET, "6": socket.AF_INET6}


class FailedError(Exception):
    """What was asked for did not come.

    Attributes:
        reason: Why.
        detail: One line for people.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def _known_address(address: str) -> str:
    found = _ADDRESS.fullmatch(address)
    if not found or not 0 < int(found[2]) < 65536:
        raise ValueError("write a host and a port, like db.example.org:5432 or [::1]:25")
    return address


Address = Annotated[str, AfterValidator(_known_address)]


class AddressOptions(Options):
    """Where to connect to."""

    address: Address = Field(description="The host and the port, such as db.example.org:5432 or [::1]:25.")
    ip_version: IpVersion = Field("any", description="The IP version to use: any, 4 or 6.")


def split(address: str) -> tuple[str, int]:
    """The host, without brackets, and the port."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def connect(options: AddressOptions, deadline: Deadline) -> socket.socket:
    """A TCP connection to the first address of the host that answers.

    Raises:
        FailedError: There is none, or it may not be reached.
    """
    host, port = split(options.address)
    failed = FailedError(Reason.DNS_FAILURE, f"{host} has no address")
    for family, where in allowed(host, port, options.ip_version):
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.settimeout(deadline.remaining())
            opened.connect(where)
        except OSError as error:
            opened.close()
            failed = FailedError(_reason(error), f"no connection to {where[0]}: {_words(error)}")
        else:
            return opened
    raise failed


def allowed(host: str, port: int, version: IpVersion) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """The addresses of a host that may be connected to; all are looked up once, so none can change after.

    Raises:
        FailedError: The name cannot be resolved, or the guard refuses every address.
    """
    try:
        found = socket.getaddrinfo(host, port, _FAMILIES[version], socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FailedError(Reason.DNS_FAILURE, f"{host} cannot be resolved: {_words(error)}") from None
    guard = operator_guard(get_settings().outgoing_allow)
    refused = ""
    kept: list[tuple[socket.AddressFamily, tuple[Any, ...]]] = []
    for family, _kind, _protocol, _name, where in found:
        why = guard.refusal(str(where[0]))
        refused = refused or why
        if not why:
            kept.append((family, where))
    if refused and not kept:
        raise FailedError(Reason.FORBIDDEN_ADDRESS, f"the address may not be reached: {refused}")
    return kept


def close(opened: socket.socket) -> None:
    """Close a connection whatever state it is in."""
    with suppress(OSError):
        opened.close()


def receive(opened: socket.socket, size: int, deadline: Deadline) -> bytes:
    """What comes next, at most so many bytes; empty at the end.

    Raises:
        FailedError: Nothing comes in time, or the connection is lost.
    """
    try:
        opened.settimeout(deadline.remaining())
        return opened.recv(size)
    except OSError as error:
        raise FailedError(_reason(error), f"nothing was received: {_words(error)}") from None


def send(opened: socket.socket, data: bytes, deadline: Deadline) -> None:
    """Send all of it.

    Raises:
        FailedError: It cannot be sent.
    """
    try:
        opened.settimeout(deadline.remaining())
        opened.sendall(data)
    except OSError as error:
        raise FailedError(_reason(error), f"nothing could be sent: {_words(error)}") from None


def _reason(error: Exception) -> Reason:
    if isinstance(error, TimeoutError):
        return Reason.TIMEOUT
    return reasons.of_errno(error.errno or 0) if isinstance(error, OSError) else Reason.CONNECTION_FAILED


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
