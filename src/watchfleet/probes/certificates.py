"""TLS handshakes of probes, and what the certificates say, also of those that must not be trusted."""

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from pydantic import Field, FilePath

from watchfleet.clock import Period, utcnow
from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes.fields import EXPIRY
from watchfleet.probes.probe import Attempt, Deadline, Options
from watchfleet.probes.reasons import Reason
from watchfleet.probes.sockets import AddressOptions, FailedError, connect, split

_VERDICTS: Final = {  # OpenSSL's X509_V_*
    9: Reason.TLS_NOT_YET_VALID,
    10: Reason.TLS_EXPIRED,
    62: Reason.TLS_WRONG_HOST,
    64: Reason.TLS_WRONG_HOST,
}


class TlsOptions(Options):
    """How a server's certificate is looked at."""

    verify_tls: bool = Field(default=True, description="Whether the certificate must be valid.")
    ca_file: FilePath | None = Field(
        None, description="Certificates to trust instead of the usual authorities, as PEM."
    )
    server_name: str | None = Field(
        None, min_length=1, description="The name that the certificate must have. Not set: the host's."
    )
    degraded_before_expiry: Period | None = Field(
        None, description="A certificate that expires sooner makes the target degraded. Not set: never."
    )


class CheckedAddress(AddressOptions, TlsOptions):
    """Where to connect to, and how a certificate is looked at."""


@dataclass(frozen=True, slots=True)
class Secured:
    """A connection with TLS.

    Attributes:
        socket: The connection.
        expires_at: When the first of its certificates expires; of the server's own, before Python 3.13.
    """

    socket: ssl.SSLSocket
    expires_at: datetime | None

    @property
    def values(self) -> list[Measurement]:
        """What its certificates say."""
        return _expiry(self.expires_at)


class UntrustedError(FailedError):
    """The certificate is not valid.

    Attributes:
        values: What it says nevertheless.
    """

    def __init__(self, reason: Reason, detail: str, values: list[Measurement]) -> None:
        super().__init__(reason, detail)
        self.values = values


def secure(opened: socket.socket, options: CheckedAddress, deadline: Deadline) -> Secured:
    """Speak TLS on a connection.

    Raises:
        UntrustedError: The certificate is not valid; the connection is lost.
        FailedError: There is no TLS to be had.
    """
    name = options.server_name or split(options.address)[0]
    context = ssl.create_default_context(cafile=options.ca_file)
    if not options.verify_tls:
        _trust_anyone(context)
    try:
        opened.settimeout(deadline.remaining())
        wrapped = context.wrap_socket(opened, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        reason = _VERDICTS.get(error.verify_code, Reason.TLS_UNTRUSTED)
        raise UntrustedError(reason, error.verify_message or "not trusted", []) from None
    except TimeoutError:
        raise FailedError(Reason.TIMEOUT, "the TLS handshake did not end in time") from None
    except (OSError, ValueError) as error:
        words = getattr(error, "reason", None) or type(error).__name__
        raise FailedError(Reason.TLS_HANDSHAKE_FAILED, f"the TLS handshake failed: {words}") from None
    return Secured(wrapped, _earliest(wrapped))


def expiry_of_untrusted(options: CheckedAddress, deadline: Deadline) -> list[Measurement]:
    """What the certificate of a server says that speaks TLS at once; nothing if it does not tell."""
    anyway = options.model_copy(update={"verify_tls": False})
    try:
        with connect(options, deadline) as opened, secure(opened, anyway, deadline).socket as wrapped:
            return _expiry(_earliest(wrapped))
    except (FailedError, OSError):
        return []


def trusted(attempt: Attempt, options: TlsOptions, secured: Secured) -> ProbeResult:
    """The verdict on a connection whose certificate is valid, if that matters: how long is it still?"""
    limit, until = options.degraded_before_expiry, secured.expires_at
    if limit is not None and until is not None and until - utcnow() < limit:
        return attempt.degraded(
            Reason.TLS_EXPIRES_SOON, f"expires at {until:%Y-%m-%d %H:%M} UTC", secured.values
        )
    return attempt.up(secured.values)


def _trust_anyone(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def _earliest(wrapped: ssl.SSLSocket) -> datetime | None:
    ends = [x509.load_der_x509_certificate(one).not_valid_after_utc for one in _presented(wrapped)]
    return min(ends, default=None)


def _presented(wrapped: Any) -> list[bytes]:
    if hasattr(wrapped, "get_unverified_chain"):  # since Python 3.13
        return list(wrapped.get_unverified_chain())
    own = wrapped.getpeercert(binary_form=True)
    return [own] if own else []


def _expiry(at: datetime | None) -> list[Measurement]:
    return [Measurement(EXPIRY, (at - _EPOCH) / timedelta(seconds=1))] if at else []


_EPOCH: Final = datetime.fromtimestamp(0, UTC)
