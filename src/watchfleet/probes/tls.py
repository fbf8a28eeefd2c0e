"""`tls`: does a server speak TLS with a certificate that is valid, and for how long?"""

from watchfleet.model import ProbeResult
from watchfleet.probes.certificates import (
    CheckedAddress,
    UntrustedError,
    expiry_of_untrusted,
    secure,
    trusted,
)
from watchfleet.probes.probe import Attempt, Deadline, Target
from watchfleet.probes.sockets import FailedError, connect


class TlsTarget(CheckedAddress):
    """The settings of `tls`."""


def probe(target: Target, options: TlsTarget, deadline: Deadline) -> ProbeResult:
    """Connect and shake hands; of a certificate that is not valid, tell its expiry all the same."""
    attempt = Attempt(target)
    try:
        with connect(options, deadline) as opened:
            secured = secure(opened, options, deadline)
            with secured.socket:
                return trusted(attempt, options, secured)
    except UntrustedError as error:
        return attempt.down(error.reason, error.detail, expiry_of_untrusted(options, deadline))
    except FailedError as error:
        return attempt.down(error.reason, error.detail)
