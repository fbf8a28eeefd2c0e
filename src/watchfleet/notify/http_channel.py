"""What channels that post over HTTP share: credentials, trust, deadline and address guard."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from watchfleet import http
from watchfleet.addresses import Guard, operator_guard
from watchfleet.notify.receivers import HttpChannelConfig, HttpConfig, read_secret
from watchfleet.settings import Settings

USUAL_TLS: Final = http.Tls()


@dataclass(frozen=True, slots=True)
class Poster:
    """Makes a receiver's requests.

    Attributes:
        guard: Which addresses they may reach.
        headers: Sent with each; hold the credentials.
        tls: How the receiver is trusted.
        timeout: Seconds for one request, everything included; by default `http.TIMEOUT`.
    """

    guard: Guard
    headers: tuple[tuple[str, str], ...] = ()
    tls: http.Tls = USUAL_TLS
    timeout: float | None = None

    @classmethod
    def of(cls, config: HttpChannelConfig, settings: Settings) -> Self:
        """For an entry of a receiver.

        Raises:
            ConfigError: A file of it cannot be read.
        """
        tls = config.http_config.tls_config
        return cls(
            operator_guard(settings.outgoing_allow),
            tuple(_credentials(config.http_config)),
            http.Tls(tls.ca_file, tls.cert_file, tls.key_file, tls.server_name, not tls.insecure_skip_verify),
            config.timeout.total_seconds() or None,
        )

    def within(self, seconds: float) -> Self:
        """The same, whose requests take no longer than that."""
        return replace(self, timeout=min(seconds, self.timeout or http.TIMEOUT))

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], cap: int = http.RESPONSE_CAP
    ) -> http.Response:
        """POST `body`; see `watchfleet.http.post`.

        Raises:
            DeliveryError: There was no answer, or it is not a 2xx.
        """
        return http.post(
            url,
            body,
            {**dict(self.headers), **headers},
            guard=self.guard,
            timeout=self.timeout,
            tls=self.tls,
            cap=cap,
        )


def _credentials(config: HttpConfig) -> Iterator[tuple[str, str]]:
    basic, other = config.basic_auth, config.authorization
    if basic is not None:
        pair = f"{basic.username}:{read_secret(basic.password, basic.password_file)}"
        yield "Authorization", f"Basic {b64encode(pair.encode()).decode()}"
    if other is not None:
        yield "Authorization", f"{other.type} {read_secret(other.credentials, other.credentials_file)}"
