"""Each cell of the table in docs/channels.md, against a real receiver that does what its row says."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr, TypeAdapter
from support import outcome_table
from support.messages import firing
from support.receivers import (
    CERTIFICATE,
    Answer,
    HttpReceiver,
    Mailbox,
    SlackApi,
    deaf_port,
    http_receiver,
    sentry_receiver,
    slack_api,
    slack_receiver,
    smtp_receiver,
)

import alert_channels
from alert_channels import email
from watchfleet import http
from watchfleet.model import Destination, Message
from watchfleet.notify.deliver import attempt
from watchfleet.notify.outbox import Claim
from watchfleet.notify.receivers import ChannelConfig, EmailConfig, LogConfig, config_of
from watchfleet.notify.retry import Outcome
from watchfleet.settings import Settings

RECIPIENT = "ops@example.com"
ASKED = 90
LATER = "429, Retry-After as a date"
SCRIPTS = {
    **{str(status): Answer(status, body=b"no") for status in (400, 401, 404, 410, 500)},
    "429, Retry-After in seconds": Answer(429, {"Retry-After": str(ASKED)}),
    "hangs": Answer(hang=True),
    "takes it and drops the connection": Answer(drop=True),
}
OPEN: dict[str, Callable[[], Any]] = {
    "webhook": http_receiver,
    "slack": slack_receiver,
    "slack bot": slack_api,
    "sentry": sentry_receiver,
    "apprise": http_receiver,
}


def config_for(channel: str, url: str, timeout: str) -> ChannelConfig:
    """An entry that speaks to a receiver at `url`."""
    place = url.removesuffix("/hook").removesuffix("/api/")
    values: dict[str, Any] = {
        "webhook": {"url": url},
        "slack": {"api_url": url},
        "slack bot": {"app_token": SlackApi.TOKEN, "channel": SlackApi.CHANNEL, "app_url": f"{place}/api/"},
        "sentry": {"dsn": place.replace("://", "://public@") + "/42"},
        "apprise": {"url": re.sub("^http", "json", place) + "/hook"},
    }[channel]
    return config_of(channel.partition(" ")[0])(**values, timeout=timeout)


def outcome(config: ChannelConfig, kind: str, part: str = "") -> Outcome:
    """What a first try comes to, as the outbox is told."""
    content = TypeAdapter(Message).dump_python(firing(kind, part), mode="json")
    claimed = Claim(1, "delivery", Destination(kind, part=part), uuid4(), 1, content)
    return attempt(lambda _: alert_channels.load(kind).from_config(config, Settings()), claimed)


def shown(found: Outcome) -> str:
    if found.state == "sent":
        return "sent"
    asked = found.asked is not None and ASKED - 60 < found.asked <= ASKED <= (found.wait or 0) + 60
    return f"{found.state}: {found.reason}{', when asked to' if asked else ''}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(email, "CONVERSATION", 0.3)
    monkeypatch.setattr(email, "DEADLINE", 0.3)


@contextmanager
def receiver_for(answer: str, channel: str) -> Iterator[str]:
    """The address of a receiver that does what the row says."""
    if answer == "never accepts the connection":
        with deaf_port() as port:
            yield f"http://127.0.0.1:{port}/hook"
    elif answer == "a certificate that nobody trusts":
        with http_receiver(tls=True) as receiver:
            yield receiver.url
    else:
        with OPEN[channel]() as receiver:
            found: HttpReceiver = receiver
            if answer == LATER:
                date = format_datetime(datetime.now(UTC) + timedelta(seconds=ASKED), usegmt=True)
                found.answers.append(Answer(429, {"Retry-After": date}))
            elif answer in SCRIPTS:
                found.answers.append(SCRIPTS[answer])
            yield found.url


@pytest.mark.parametrize(("answer", "channel"), outcome_table.HTTP)
def test_a_cell_of_the_http_channels(answer: str, channel: str) -> None:
    never = answer in {"hangs", "never accepts the connection"}
    # A process of its own takes its time to start.
    timeout = "10s" if not never else "1s" if channel == "apprise" else "400ms"
    with receiver_for(answer, channel) as url:
        found = outcome(config_for(channel, url, timeout), channel.partition(" ")[0])
    assert shown(found) == outcome_table.HTTP[answer, channel], found


# --- email


def mail_settings(port: int, **values: Any) -> Settings:
    return Settings(
        **{
            "alert_email_enabled": True,
            "alert_email_to": [RECIPIENT],
            "smtp_host": "127.0.0.1",
            "smtp_port": port,
            "smtp_security": "none",
            **values,
        }
    )


def script(mailbox: Mailbox, answer: str) -> None:
    code, _, to = answer.partition(" to the ")
    if to == "recipient":
        mailbox.recipients[RECIPIENT] = f"{code} no"
    elif to == "mail":
        mailbox.data.append(f"{code} no")
    elif answer.endswith("drops the connection"):
        mailbox.data.append("drop")
    mailbox.hang = answer == "hangs"


@contextmanager
def mail_server_for(answer: str) -> Iterator[Settings]:
    if answer == "never accepts the connection":
        with deaf_port() as port:
            yield mail_settings(port)
    elif answer == "a certificate that nobody trusts":
        with smtp_receiver(security="starttls") as (_, port):
            yield mail_settings(port, smtp_security="starttls")
    elif answer == "535 to the password":
        with smtp_receiver(security="starttls", password="right") as (_, port):
            login = {"smtp_username": "fleet", "smtp_password": SecretStr("wrong-password")}
            yield mail_settings(port, smtp_security="starttls", **login)
    else:
        with smtp_receiver() as (mailbox, port):
            script(mailbox, answer)
            yield mail_settings(port, smtp_security="starttls" if answer == "no STARTTLS" else "none")


@pytest.mark.parametrize("answer", outcome_table.MAIL)
def test_a_cell_of_email(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if answer == "535 to the password":
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    if answer == "never accepts the connection":
        monkeypatch.setattr(email, "TIMEOUT", 0.3)
    with mail_server_for(answer) as settings:
        config = EmailConfig.from_settings(settings)
        assert config is not None
        found = outcome(config, "email", RECIPIENT)
    assert shown(found) == outcome_table.MAIL[answer], found


# --- log


@pytest.mark.parametrize("answer", outcome_table.LOG)
def test_a_cell_of_the_log(answer: str, caplog: pytest.LogCaptureFixture) -> None:
    level = logging.INFO if answer.startswith("a handler") else logging.CRITICAL + 1
    with caplog.at_level(level, "watchfleet.notifications"):
        found = outcome(LogConfig(), "log")
    assert shown(found) == outcome_table.LOG[answer]
