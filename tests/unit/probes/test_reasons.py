"""Errors of clients become named reasons."""

import errno
import socket
import ssl

import pytest
from psycopg2 import OperationalError

from watchfleet.probes import postgres, reasons


class LibraryError(Exception):
    """What a client library wraps things in."""


def wrapped(inner: Exception) -> LibraryError:
    try:
        try:
            raise inner
        except type(inner) as error:
            raise LibraryError("something") from error
    except LibraryError as error:
        return error


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection_refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "connection_reset"),
        (TimeoutError("x"), "timeout"),
        (socket.gaierror(-2, "x"), "dns_failure"),
        (OSError(errno.EHOSTUNREACH, "x"), "host_unreachable"),
        (FileNotFoundError(errno.ENOENT, "x"), "connection_refused"),
        (ssl.SSLError(1, "x"), "tls_handshake_failed"),
        (ValueError("x"), "connection_failed"),
    ],
)
def test_the_innermost_error_that_tells_decides(inner: Exception, reason: str) -> None:
    assert reasons.of_exception(inner) == reason
    assert reasons.of_exception(wrapped(inner)) == reason


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ('FATAL:  password authentication failed for user "x"', "auth_failed"),
        ("FATAL:  sorry, too many clients already", "too_many_connections"),
        ("FATAL:  the database system is starting up", "starting"),
        ('could not translate host name "x" to address', "dns_failure"),
        ("server closed the connection unexpectedly", "connection_reset"),
        ("something new", "connection_failed"),
    ],
)
def test_what_libpq_says_in_words(words: str, reason: str) -> None:
    assert postgres.reason_of(OperationalError(words)) == reason
