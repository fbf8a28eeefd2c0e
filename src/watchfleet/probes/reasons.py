"""Why a target is not up: names for metrics and alerts, and how errors map to them."""

import errno
import socket
import ssl
from collections.abc import Iterator
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why a target is not up. Probes of other distributions may give names of their own."""

    ANSWER_MISMATCH = "answer_mismatch"
    AUTH_FAILED = "auth_failed"
    BODY_MISMATCH = "body_mismatch"
    CONNECTION_FAILED = "connection_failed"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_RESET = "connection_reset"
    DATABASE_MISSING = "database_missing"
    DEPENDENCY_DOWN = "dependency_down"
    DEPENDENCY_UNCHECKED = "dependency_unchecked"
    DNS_FAILURE = "dns_failure"
    EMPTY_RESPONSE = "empty_response"
    FORBIDDEN_ADDRESS = "forbidden_address"
    FORBIDDEN_REDIRECT = "forbidden_redirect"
    HEADER_MISMATCH = "header_mismatch"
    HIGH_LOAD = "high_load"
    HOST_UNREACHABLE = "host_unreachable"
    JOB_FAILED = "job_failed"
    JOB_UNFINISHED = "job_unfinished"
    LOCATIONS_MISSING = "locations_missing"
    LONG_TRANSACTION = "long_transaction"
    LOW_INODES = "low_inodes"
    LOW_MEMORY = "low_memory"
    LOW_SPACE = "low_space"
    MAINTENANCE = "maintenance"
    NOT_PERMITTED = "not_permitted"
    NOT_SERVING = "not_serving"
    NO_LEADER = "no_leader"
    NO_PING_YET = "no_ping_yet"
    NO_PROGRESS = "no_progress"
    PATH_MISSING = "path_missing"
    PERSISTENCE_FAILED = "persistence_failed"
    PING_LATE = "ping_late"
    PING_MISSED = "ping_missed"
    PROCESS_MISSING = "process_missing"
    PROBE_ERROR = "probe_error"
    PROTOCOL_ERROR = "protocol_error"
    QUERY_FAILED = "query_failed"
    QUEUE_TOO_OLD = "queue_too_old"
    QUEUE_TOO_LONG = "queue_too_long"
    REPLICATION_LAG = "replication_lag"
    SLOW = "slow"
    STARTING = "starting"
    STORE_UNAVAILABLE = "store_unavailable"
    TICKS_STALLED = "ticks_stalled"
    TIMEOUT = "timeout"
    TLS_EXPIRES_SOON = "tls_expires_soon"
    TLS_EXPIRED = "tls_expired"
    TLS_HANDSHAKE_FAILED = "tls_handshake_failed"
    TLS_NOT_YET_VALID = "tls_not_yet_valid"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS_WRONG_HOST = "tls_wrong_host"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    TOO_MANY_PROCESSES = "too_many_processes"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    UNEXPECTED_RCODE = "unexpected_rcode"
    UNEXPECTED_STATUS = "unexpected_status"
    WORKERS_MISSING = "workers_missing"


_ERRNOS: Final = {
    errno.ECONNREFUSED: Reason.CONNECTION_REFUSED,
    errno.ECONNRESET: Reason.CONNECTION_RESET,
    errno.EPIPE: Reason.CONNECTION_RESET,
    errno.EHOSTUNREACH: Reason.HOST_UNREACHABLE,
    errno.ENETUNREACH: Reason.HOST_UNREACHABLE,
    errno.ETIMEDOUT: Reason.TIMEOUT,
    errno.ENOENT: Reason.CONNECTION_REFUSED,  # a Unix socket that nobody made
}


def of_errno(number: int) -> Reason:
    """The reason for an error of the operating system while connecting."""
    return _ERRNOS.get(number, Reason.CONNECTION_FAILED)


def of_exception(error: BaseException) -> Reason:
    """The reason for a failed connection, from the innermost error that tells one."""
    found = Reason.CONNECTION_FAILED
    for inner in causes(error):
        if isinstance(inner, socket.gaierror):
            return Reason.DNS_FAILURE
        if isinstance(inner, TimeoutError):
            return Reason.TIMEOUT
        if isinstance(inner, ssl.SSLError):
            return Reason.TLS_HANDSHAKE_FAILED
        if isinstance(inner, OSError) and inner.errno in _ERRNOS:
            found = _ERRNOS[inner.errno]
    return found


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
