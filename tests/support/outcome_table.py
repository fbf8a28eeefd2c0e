"""What every channel makes of every answer. The tests hold each cell, and docs/channels.md shows them."""

from typing import Final

HTTP_CHANNELS: Final = ("webhook", "slack", "slack bot", "sentry", "apprise")
_ALL: Final = {
    "200": "sent",
    "400": "dead: http_400",
    "401": "dead: http_401",
    "404": "dead: http_404",
    "410": "dead: http_410",
    "429, Retry-After in seconds": "retry: http_429, when asked to",
    "429, Retry-After as a date": "retry: http_429, when asked to",
    "500": "retry: http_500",
    "hangs": "retry: timeout",
    "takes it and drops the connection": "retry: no_answer",
    "a certificate that nobody trusts": "retry: tls_not_trusted",
    "never accepts the connection": "retry: timeout",
}
_APPRISE: Final = {
    "takes it and drops the connection": "retry: apprise_failed",
    "a certificate that nobody trusts": "retry: apprise_failed",
}
HTTP: Final = {
    (answer, channel): _APPRISE.get(answer, expected) if channel == "apprise" else expected
    for answer, expected in _ALL.items()
    for channel in HTTP_CHANNELS
}
MAIL: Final = {
    "250": "sent",
    "550 to the recipient": "dead: smtp_550",
    "451 to the recipient": "retry: smtp_451",
    "535 to the password": "dead: smtp_535",
    "554 to the mail": "dead: smtp_554",
    "451 to the mail": "retry: smtp_451",
    "421 to the mail": "retry: smtp_421",
    "no STARTTLS": "retry: smtp_not_supported",
    "hangs": "retry: no_answer",
    "takes it and drops the connection": "retry: no_answer",
    "a certificate that nobody trusts": "retry: tls_not_trusted",
    "never accepts the connection": "retry: timeout",
}
LOG: Final = {"a handler takes the line": "sent", "no handler takes it": "retry: log_off"}


def rows() -> list[tuple[str, ...]]:
    """The table of the HTTP channels, head first."""
    body = [(answer, *(HTTP[answer, channel] for channel in HTTP_CHANNELS)) for answer in _ALL]
    return [("The receiver answers", *HTTP_CHANNELS), *body]
