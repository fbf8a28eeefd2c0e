"""Email: text and HTML by SMTP, with STARTTLS unless another security is chosen.

Every notification has a Message-ID that follows from its delivery, so that a mail that comes twice can be
told; a resolved one answers its firing one, so that mail programs show both as a thread.
"""

import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from html import escape
from threading import Timer
from time import monotonic
from typing import Any, Final, Self

from watchfleet import __version__
from watchfleet.addresses import Guard, operator_guard
from watchfleet.clock import utcnow
from watchfleet.errors import ConfigError, DeliveryError
from watchfleet.http import Tls
from watchfleet.model import Message, Receipt
from watchfleet.notify.http_channel import USUAL_TLS
from watchfleet.notify.receivers import EmailConfig
from watchfleet.notify.templates import render
from watchfleet.notify.text import clean, distinction, facts, one_line, texts, title
from watchfleet.settings import Settings

TIMEOUT: Final = 10.0
"""Seconds to connect, and again to be greeted."""
CONVERSATION: Final = 5.0
"""Seconds for the rest, at least."""
DEADLINE: Final = 15.0
_TEXT_CAP: Final = 16_000
_ALERT_CAP: Final = 2_000
_LISTED: Final = 100
_POLICY: Final = SMTP.clone(cte_type="7bit")
_TAKEN: Final = {250, 251}


@dataclass(frozen=True, slots=True)
class Server:
    """The mail server.

    Attributes:
        host: Its name.
        port: Its port.
        security: `starttls`, `tls` or `none`.
        guard: Says which addresses may be connected to.
        tls: How it is trusted.
        username: The name to log in with, if any.
        password: The password to log in with.
        hello: The name to greet it with; by default the host's own.
    """

    host: str
    port: int
    security: str
    guard: Guard
    tls: Tls = USUAL_TLS
    username: str = ""
    password: str = ""
    hello: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """How mails look.

    Attributes:
        subject: A template for the subject.
        text: A template for the plain part.
        html: A template for the HTML part.
        headers: Further header fields; templates.
    """

    subject: str = ""
    text: str = ""
    html: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


USUAL_LOOK: Final = Look()


class EmailChannel:
    """Sends each notification to one of the entry's recipients; each has a row of the outbox of its own.

    Args:
        server: The mail server.
        sender: The address that mails come from.
        recipients: Those that the entry names; a mail names them all, whoever of them it goes to.
        look: How mails look.
    """

    config = EmailConfig

    def __init__(
        self, server: Server, sender: str, recipients: tuple[str, ...], look: Look = USUAL_LOOK
    ) -> None:
        self._server, self._sender = server, _checked(sender, "alert_email_from")
        self._recipients = tuple(_checked(recipient, "alert_email_to") for recipient in recipients)
        self._look = look

    @classmethod
    def from_config(cls, config: EmailConfig, settings: Settings) -> Self:
        """The channel."""
        (host, port), tls = config.server, config.tls_config
        server = Server(
            host,
            port,
            config.security,
            operator_guard(settings.outgoing_allow),
            Tls(tls.ca_file, tls.cert_file, tls.key_file, tls.server_name, not tls.insecure_skip_verify),
            config.auth_username,
            config.secret("auth_password"),
            config.hello,
        )
        headers = {name: value for name, value in config.headers.items() if name.lower() != "subject"}
        subject = next((each for name, each in config.headers.items() if name.lower() == "subject"), "")
        look = Look(subject or config.title, config.text, config.html, headers)
        return cls(server, config.sender, config.to, look)

    def send(self, message: Message) -> Receipt:
        """Send it to the recipient that the message is for."""
        mail = compose(message, self._sender, self._recipients, self._look)
        try:
            with session(self._server) as smtp:
                return _submit(smtp, mail, self._sender.addr_spec, message.part)
        except (smtplib.SMTPException, OSError) as error:
            raise failure(error) from error


@contextmanager
def session(server: Server) -> Iterator[smtplib.SMTP]:
    """A connection that is secured and logged in, cut off when it takes too long.

    Raises:
        smtplib.SMTPException: The server does not agree.
        OSError: It cannot be reached, or its certificate is not trusted.
    """
    started, context = monotonic(), _context(server.tls)
    name = server.hello or socket.gethostname()
    smtp: smtplib.SMTP
    if server.security == "tls":
        smtp = _GuardedTls(server, context=context, local_hostname=name, timeout=TIMEOUT)
    else:
        smtp = _Guarded(server, local_hostname=name, timeout=TIMEOUT)
    smtp.connect(server.host, server.port)
    cutter = Timer(max(CONVERSATION, DEADLINE - (monotonic() - started)), _cut, (smtp,))
    cutter.start()
    try:
        if server.security == "starttls":
            smtp.starttls(context=context)
        if server.username:
            smtp.login(server.username, server.password)
        yield smtp
    finally:
        with suppress(smtplib.SMTPException, OSError):
            smtp.putcmd("QUIT")
        cutter.cancel()
        smtp.close()


def compose(
    message: Message, sender: Address, recipients: tuple[Address, ...], look: Look = USUAL_LOOK
) -> EmailMessage:
    """The mail; one that continues another answers it, so that mail programs show both as a thread."""
    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = one_line(render(look.subject, message).text or title(message), 200)
    mail["From"], mail["To"] = sender, recipients
    mail["Date"] = format_datetime(utcnow())
    mail["Message-ID"] = _message_id(message.delivery_id, sender)
    if message.previous is not None and message.previous.reference:
        mail["In-Reply-To"] = mail["References"] = message.previous.reference
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Mailer"] = f"watchfleet {__version__}"
    for name, value in look.headers.items():
        if name not in mail:
            mail[name] = one_line(render(value, message).text or "", 500)
    mail.set_content(render(look.text, message).text or _text(message))
    mail.add_alternative(render(look.html, message, html=True).text or _html(message), subtype="html")
    return mail


class _Guarded(smtplib.SMTP):
    """Connects to an address that the guard has seen, and to no other."""

    def __init__(self, server: Server, **options: Any) -> None:
        self._server = server
        super().__init__(**options)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return _connect(host, port, timeout, self._server.guard)

    def connect(
        self, host: str = "localhost", port: int = 0, source_address: Any = None
    ) -> tuple[int, bytes]:
        """Connect, be greeted, and remember the name that the certificate must have."""
        code, greeting = super().connect(host, port, source_address)
        if code != 220:
            self.close()
            raise smtplib.SMTPConnectError(code, greeting)
        self._host = self._server.tls.server_name or host
        return code, greeting


class _GuardedTls(_Guarded):
    """The same, with TLS from the first byte on."""

    def __init__(self, server: Server, *, context: ssl.SSLContext, **options: Any) -> None:
        self._context = context
        super().__init__(server, **options)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = super()._get_socket(host, port, timeout)
        return self._context.wrap_socket(plain, server_hostname=self._server.tls.server_name or host)


def _connect(host: str, port: int, timeout: float, guard: Guard) -> socket.socket:
    """A connection to the first of the host's addresses that answers; the name is resolved once."""
    error: OSError = ConnectionRefusedError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        reason = guard.refusal(str(address[0]))
        if reason:
            detail = f"{address[0]} is refused ({reason}); outgoing_allow can allow it"
            raise DeliveryError("address_denied", permanent=True, detail=detail)
        opened = socket.socket(family, kind, protocol)
        opened.settimeout(timeout)
        try:
            opened.connect(address)
        except OSError as failed:
            opened.close()
            error = failed
        else:
            return opened
    raise error


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    if not tls.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def failure(error: smtplib.SMTPException | OSError) -> DeliveryError:
    """What an error of the conversation means: a 5xx answer is final, all else may pass."""
    if isinstance(error, smtplib.SMTPResponseException):
        code, reply = error.smtp_code, error.smtp_error
        permanent = 500 <= code < 600
        return DeliveryError(f"smtp_{code}", permanent=permanent, detail=_answer(code, reply))
    return DeliveryError(_reason(error), permanent=False, detail=f"{type(error).__name__}: {error}")


def _reason(error: OSError) -> str:
    names = (
        (ssl.SSLCertVerificationError, "tls_not_trusted"),
        (ssl.SSLError, "tls_failed"),
        (socket.gaierror, "name_not_resolved"),
        (smtplib.SMTPNotSupportedError, "smtp_not_supported"),
        (TimeoutError, "timeout"),
        (smtplib.SMTPServerDisconnected, "timeout" if "timed out" in str(error) else "no_answer"),
    )
    return next((name for kind, name in names if isinstance(error, kind)), "connection_failed")


def _submit(smtp: smtplib.SMTP, mail: EmailMessage, sender: str, recipient: str) -> Receipt:
    smtp.ehlo_or_helo_if_needed()
    code, reply = smtp.mail(sender)
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, reply, sender)
    code, reply = smtp.rcpt(recipient)
    if code not in _TAKEN:
        raise smtplib.SMTPResponseException(code, reply)
    code, reply = smtp.data(mail.as_bytes())
    if code != 250:
        raise smtplib.SMTPDataError(code, reply)
    return Receipt(_answer(code, reply), reference=str(mail["Message-ID"]))


def _answer(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return f"{code} {one_line(text, 300)}"


def _cut(smtp: smtplib.SMTP) -> None:
    if smtp.sock is not None:
        with suppress(OSError):
            # The plain socket's own method: it wakes the thread that waits in TLS, too.
            socket.socket.shutdown(smtp.sock, socket.SHUT_RDWR)


def _checked(address: str, setting: str) -> Address:
    name, spec = parseaddr(address)
    try:
        checked = Address(display_name=name, addr_spec=spec)
        usable = bool(checked.username and checked.domain and spec.isascii() and address.isprintable())
    except (HeaderParseError, ValueError, IndexError):
        usable = False
    if not usable:
        raise ConfigError(f"{setting}: {address!r} is not an address", mend="write it like ops@example.com")
    return checked


def _message_id(delivery: str, sender: Address) -> str:
    return f"<{delivery}@{sender.domain}>"


def _text(message: Message) -> str:
    lines = [f"{name}: {one_line(value, 500)}" for name, value in facts(message)]
    return "\n\n".join([title(message), *_paragraphs(message), "\n".join(lines)]) + "\n"


def _html(message: Message) -> str:
    colour = "#b00020" if message.status == "firing" else "#1b7f3b"
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in _paragraphs(message))
    rows = "".join(
        f"<tr><th align='left'>{escape(one_line(name, 100))}</th><td>{escape(one_line(value, 500))}</td></tr>"
        for name, value in facts(message)
    )
    heading = f"<h2 style='color:{colour}'>{escape(title(message))}</h2>"
    return f"<!doctype html><html><body>{heading}{paragraphs}<table>{rows}</table></body></html>\n"


def _paragraphs(message: Message) -> list[str]:
    """The texts of a single alert; of several, a paragraph for each."""
    if message.count == 1:
        return [clean(text, _TEXT_CAP) for text in texts(message.alerts[0])]
    listed = message.alerts[:_LISTED]
    told = ["\n".join([distinction(each, message), *texts(each)]) for each in listed]
    more = message.count - len(listed)
    return [clean(text, _ALERT_CAP) for text in [*told, *([f"and {more} more"] if more else [])]]
