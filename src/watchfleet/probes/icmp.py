"""`icmp`: does a host answer an echo request? On the unprivileged socket that the kernel may allow."""

import errno
import os
import socket
import struct
import time
from typing import Any, Final

from pydantic import Field

from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason
from watchfleet.probes.sockets import FailedError, IpVersion, allowed

_HEADER: Final = struct.Struct("!BBHHH")
_REQUEST: Final = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY: Final = {socket.AF_INET: 0, socket.AF_INET6: 129}
_NOT_PERMITTED: Final = (
    "not permitted here: the kernel's net.ipv4.ping_group_range must hold the group of the probes worker"
)


class IcmpOptions(Options):
    """The settings of `icmp`."""

    host: str = Field(min_length=1, description="The host, by name or address.")
    ip_version: IpVersion = Field("any", description="The IP version to use: any, 4 or 6.")
    payload_bytes: int = Field(56, ge=8, le=1400, description="Bytes of data in the request.")


def probe(target: Target, options: IcmpOptions, deadline: Deadline) -> ProbeResult:
    """Send one echo request and wait for its reply."""
    attempt = Attempt(target)
    try:
        (family, where), *_ = allowed(options.host, 0, options.ip_version)
        seconds = _round_trip(family, where, options.payload_bytes, deadline)
    except PermissionError:
        return attempt.unknown(Reason.NOT_PERMITTED, _NOT_PERMITTED)
    except FailedError as error:
        return attempt.down(error.reason, error.detail)
    except TimeoutError:
        return attempt.down(Reason.TIMEOUT, "no echo in time")
    except OSError as error:
        return attempt.down(Reason.HOST_UNREACHABLE, error.strerror or "no echo")
    values = [Measurement("probe_icmp_duration_seconds", seconds, {"phase": "rtt"})]
    return attempt.up(values, duration=seconds)


def _round_trip(family: socket.AddressFamily, where: tuple[Any, ...], size: int, deadline: Deadline) -> float:
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    token = os.urandom(8).ljust(size, b"\0")
    with _opened(family, protocol) as echo:
        echo.settimeout(deadline.remaining())
        echo.connect(where)
        sent = time.monotonic()
        echo.send(_HEADER.pack(_REQUEST[family], 0, 0, 0, 1) + token)  # the kernel fills in checksum and id
        while not _is_reply(echo.recv(65_536), family, token):
            echo.settimeout(deadline.remaining())
        return time.monotonic() - sent


def _opened(family: socket.AddressFamily, protocol: int) -> socket.socket:
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM, errno.EPROTONOSUPPORT}:
            raise PermissionError from error
        raise


def _is_reply(packet: bytes, family: socket.AddressFamily, token: bytes) -> bool:
    return packet[:1] == bytes([_REPLY[family]]) and packet[_HEADER.size :] == token
