"""Every channel against a real receiver on this machine, whatever that answers."""

import base64
import hmac
import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from support.messages import HOSTILE, LABELS, alert, firing, hostile, resolved
from support.receivers import (
    CERTIFICATE,
    Answer,
    HttpReceiver,
    http_receiver,
    sentry_receiver,
    slack_receiver,
    smtp_receiver,
)

import alert_channels
from alert_channels import email
from alert_channels.email import EmailChannel
from alert_channels.slack import SlackChannel
from alert_channels.webhook import WebhookChannel
from watchfleet import http
from watchfleet.addresses import Guard, Origin, operator_guard
from watchfleet.errors import DeliveryError
from watchfleet.model import Message
from watchfleet.notify.channel import Sender
from watchfleet.notify.message import message_of
from watchfleet.notify.receivers import SlackConfig, WebhookConfig, default_receiver
from watchfleet.redact import redact
from watchfleet.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


KEPT = HOSTILE.replace("\x00", "\ufffd")
RECIPIENT = "ops@example.com"


def settings(**values: Any) -> Settings:
    return Settings(**values)


def sender(channel: str, configured: Settings) -> Sender:
    """What sends to the first destination of the default receiver on a channel."""
    destinations = default_receiver(configured).destinations()
    return alert_channels.sender(next(each for each in destinations if each.channel == channel), configured)


@contextmanager
def webhook() -> Iterator[tuple[HttpReceiver, Sender]]:
    with http_receiver() as receiver:
        yield receiver, sender("webhook", settings(alert_webhook_url=receiver.url))


@contextmanager
def slack() -> Iterator[tuple[HttpReceiver, Sender]]:
    with slack_receiver() as receiver:
        yield receiver, sender("slack", settings(slack_webhook_url=receiver.url))


@contextmanager
def sentry() -> Iterator[tuple[HttpReceiver, Sender]]:
    with sentry_receiver() as receiver:
        yield receiver, sender("sentry", settings(sentry_dsn=receiver.dsn))


HTTP_CHANNELS = pytest.mark.parametrize("opened", [webhook, slack, sentry])
Opened = Callable[[], Any]


def mailer(port: int, **values: Any) -> Sender:
    return sender(
        "email",
        settings(
            **{
                "alert_email_enabled": True,
                "alert_email_to": ["ops@example.com", "boss@example.com"],
                "smtp_host": "127.0.0.1",
                "smtp_port": port,
                "smtp_security": "none",
                **values,
            }
        ),
    )


def error_of(sender: Sender, message: Message | None = None) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        sender.send(message or firing(part=RECIPIENT))
    return caught.value


# --- HTTP channels


@HTTP_CHANNELS
def test_a_receiver_that_takes_a_notification_gives_a_receipt(opened: Opened) -> None:
    with opened() as (receiver, sender):
        assert sender.send(firing()).answer.startswith("200")
        assert len(receiver.requests) == 1


@HTTP_CHANNELS
@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        *((status, True) for status in (302, 400, 401, 404, 410)),
        *((status, False) for status in (408, 425, 429, 500, 503)),
    ],
)
def test_a_status_decides_whether_another_try_makes_sense(
    opened: Opened, status: int, permanent: bool
) -> None:
    with opened() as (receiver, sender):
        receiver.answers.append(Answer(status, {"Location": receiver.url}, b"no"))
        error = error_of(sender)
        assert (error.reason, error.permanent) == (f"http_{status}", permanent)
        assert len(receiver.requests) == 1


@HTTP_CHANNELS
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_pause_that_the_receiver_asks_for_is_told(opened: Opened, form: str) -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    value = "90" if form == "seconds" else format_datetime(later, usegmt=True)
    with opened() as (receiver, sender):
        receiver.answers.append(Answer(429, {"Retry-After": value}))
        error = error_of(sender)
        assert error.retry_after is not None
        assert 30 < error.retry_after <= 90


@HTTP_CHANNELS
def test_a_receiver_that_hangs_costs_no_more_than_the_deadline(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", 0.3)
    with opened() as (receiver, sender):
        receiver.answers.append(Answer(hang=True))
        error = error_of(sender)
        assert (error.reason, error.permanent) == ("timeout", False)


@HTTP_CHANNELS
def test_a_connection_that_is_dropped_after_the_request_is_no_receipt(opened: Opened) -> None:
    with opened() as (receiver, sender):
        receiver.answers.append(Answer(drop=True))
        error = error_of(sender)
        assert (error.reason, error.permanent) == ("no_answer", False)
        assert len(receiver.requests) == 1


@HTTP_CHANNELS
def test_hostile_text_is_delivered(opened: Opened) -> None:
    with opened() as (_, sender):
        assert sender.send(hostile()).answer.startswith("200")


def test_nobody_listens() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/"
        error = error_of(sender("webhook", settings(alert_webhook_url=url)))
        assert (error.reason, error.permanent) == ("connection_failed", False)


def test_a_certificate_must_be_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver(tls=True) as receiver:
        hook = sender("webhook", settings(alert_webhook_url=receiver.url))
        error = error_of(hook)
        assert (error.reason, error.permanent) == ("tls_not_trusted", False)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        # A thread reads it once, for its first request.
        with ThreadPoolExecutor(1) as another:
            assert another.submit(hook.send, firing()).result().answer.startswith("200")


def test_a_long_answer_is_cut_and_an_endless_one_is_left() -> None:
    with http_receiver() as receiver:
        receiver.otherwise = Answer(body=b"x" * 1_000_000)
        response = http.post(receiver.url, b"{}", {}, guard=operator_guard([]))
        assert len(response.body) == http.RESPONSE_CAP
        receiver.otherwise = Answer(headers={"Content-Length": "100"}, body=b"only this")
        assert http.post(receiver.url, b"{}", {}, guard=operator_guard([]), timeout=0.3).text == "only this"


def test_what_follows_at_once_shares_a_connection_until_it_is_lost() -> None:
    with http_receiver() as receiver:
        receiver.answers.extend([Answer()] * 5 + [Answer(drop=True)])
        for _ in range(5):
            http.post(receiver.url, b"{}", {}, guard=operator_guard([]))
        with pytest.raises(DeliveryError, match="no_answer"):
            http.post(receiver.url, b"{}", {}, guard=operator_guard([]))
        assert http.post(receiver.url, b"{}", {}, guard=operator_guard([])).status == 200
        ports = [request.port for request in receiver.requests]
    assert len(set(ports[:5])) == 1
    assert ports[-1] != ports[0]


def test_another_trust_or_guard_is_another_connection() -> None:
    allowed = Guard(Origin.OUTSIDE, operator_guard(["127.0.0.0/8"]).allow)
    with http_receiver() as receiver:
        http.post(receiver.url, b"{}", {}, guard=operator_guard([]))
        http.post(receiver.url, b"{}", {}, guard=allowed)
        http.post(receiver.url, b"{}", {}, guard=operator_guard([]), tls=http.Tls(verify=False))
        assert len({request.port for request in receiver.requests}) == 3


def test_an_address_from_elsewhere_may_not_be_private_unless_it_is_allowed() -> None:
    allowed = Guard(Origin.OUTSIDE, operator_guard(["127.0.0.0/8"]).allow)
    with http_receiver() as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        with pytest.raises(DeliveryError, match="not_public") as caught:
            http.post(url, b"{}", {}, guard=Guard(Origin.OUTSIDE))
        assert caught.value.permanent
        assert receiver.requests == []
        assert http.post(receiver.url, b"{}", {}, guard=allowed).status == 200


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as proxy, http_receiver() as receiver:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        http.post(receiver.url, b"{}", {}, guard=operator_guard([]))
        assert (len(proxy.requests), len(receiver.requests)) == (0, 1)


# --- webhook


def test_a_webhook_gets_alertmanagers_json() -> None:
    with webhook() as (receiver, sender):
        sender.send(resolved())
        payload = receiver.requests[0].json
        assert (payload["version"], payload["status"], payload["truncatedAlerts"]) == ("4", "resolved", 0)
        (alert,) = payload["alerts"]
        assert alert["labels"]["target"] == "shop"
        assert alert["startsAt"] == "2026-11-23T12:00:00Z"
        assert alert["endsAt"] == "2026-11-23T12:05:00Z"
        assert alert["fingerprint"] == firing().alerts[0].fingerprint


def test_a_webhook_is_signed_by_standard_webhooks() -> None:
    with http_receiver() as receiver:
        values = settings(alert_webhook_url=receiver.url, alert_webhook_secret=SecretStr(SECRET))
        sender("webhook", values).send(firing())
        request = receiver.requests[0]
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        digest = base64.b64encode(hmac.digest(key, signed + request.body, "sha256")).decode()
        assert request.headers["webhook-id"] == firing().delivery_id
        assert request.headers["webhook-signature"] == f"v1,{digest}"


def test_a_webhook_is_signed_by_both_keys_while_they_are_changed() -> None:
    old = "whsec_b2xkIGtleSBvZiB0aGUgdGVzdA=="
    with http_receiver() as receiver:
        values = settings(
            alert_webhook_url=receiver.url, alert_webhook_secret=SECRET, alert_webhook_old_secret=old
        )
        sender("webhook", values).send(firing())
        request = receiver.requests[0]
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
        keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in (SECRET, old)]
        digests = [hmac.digest(key, signed + request.body, "sha256") for key in keys]
        expected = [f"v1,{base64.b64encode(digest).decode()}" for digest in digests]
        assert request.headers["webhook-signature"].split(" ") == expected


def test_a_webhook_lists_no_more_alerts_than_its_receiver_wants_and_counts_the_rest() -> None:
    alerts = [alert(labels={**LABELS, "target": str(number)}) for number in range(5)]
    message = message_of(alerts, receiver="ops", group_key="{}", group_labels={"alertname": "DependencyDown"})
    with http_receiver() as receiver:
        config = WebhookConfig(url=receiver.url, max_alerts=2)
        WebhookChannel.from_config(config, settings()).send(message)
        payload = receiver.requests[0].json
    assert [each["labels"]["target"] for each in payload["alerts"]] == ["0", "1"]
    assert payload["truncatedAlerts"] == 3
    assert payload["commonLabels"] == {name: value for name, value in LABELS.items() if name != "target"}


def test_a_receiver_may_want_a_name_and_a_password_and_have_a_certificate_of_its_own(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("a-password-in-a-file\n")
    with http_receiver(tls=True) as receiver:
        http_config = {
            "basic_auth": {"username": "fleet", "password_file": password},
            "tls_config": {"ca_file": CERTIFICATE},
        }
        config = WebhookConfig(url=receiver.url, http_config=http_config)
        WebhookChannel.from_config(config, settings()).send(firing())
        sent = receiver.requests[0].headers["authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"fleet:a-password-in-a-file"
    assert redact("it is a-password-in-a-file") == "it is ***"


def test_a_webhook_gets_hostile_text_as_it_is() -> None:
    with webhook() as (receiver, sender):
        sender.send(hostile())
        assert receiver.requests[0].json["alerts"][0]["labels"]["target"] == KEPT


# --- Slack


def test_slack_gets_colour_fallback_and_nothing_that_it_would_interpret() -> None:
    with slack() as (receiver, sender):
        sender.send(firing())
        sender.send(resolved())
        sender.send(hostile())
        plain, green, dangerous = (request.json for request in receiver.requests)
        assert plain["text"] == "[FIRING] DependencyDown shop (critical)"
        assert plain["attachments"][0]["color"] != green["attachments"][0]["color"]
        raw = json.dumps(dangerous)
        assert not re.search("<[!@#hb]", raw)
        assert "mrkdwn" not in {text["type"] for text in _texts(dangerous)}
        assert "\\u202e" not in raw


AS_ALERTMANAGER_HAS_IT = {
    "title": "{{ name }} at {{ common_labels.target }}",
    "title_link": "https://example.org/{{ common_labels.target }}",
    "pretext": "Please look",
    "color": "{{ 'danger' if status == 'firing' else 'good' }}",
    "fallback": "{{ name }}",
    "fields": [
        {"title": "Who", "value": "{{ common_labels.target }}", "short": True},
        {"title": "Why", "value": "{{ common_annotations.summary }}"},
    ],
    "actions": [{"type": "button", "text": "Mend", "url": "https://example.org/mend", "style": "danger"}],
    "footer": "from {{ receiver }}",
    "image_url": "https://example.org/graph.png",
    "thumb_url": "javascript:alert(1)",
}


def test_slack_takes_what_an_entry_of_alertmanager_may_say() -> None:
    with slack_receiver() as receiver:
        config = SlackConfig.model_validate({"api_url": receiver.url, **AS_ALERTMANAGER_HAS_IT})
        SlackChannel.from_config(config, settings()).send(firing())
        told = receiver.requests[0].json
    (attachment,) = told["attachments"]
    blocks = attachment["blocks"]
    assert (told["text"], attachment["color"], attachment["fallback"]) == (
        "Please look",
        "danger",
        "DependencyDown",
    )
    assert blocks[0]["text"]["text"] == "DependencyDown at shop"
    assert [one["text"] for block in blocks for one in block.get("fields", ())] == ["Who: shop"]
    (buttons,) = (block["elements"] for block in blocks if block["type"] == "actions")
    assert buttons[0]["url"] == "https://example.org/shop"
    assert (buttons[-1]["text"]["text"], buttons[-1]["style"]) == ("Mend", "danger")
    assert [block["type"] for block in blocks[-2:]] == ["image", "context"]
    assert not any("accessory" in block for block in blocks), "an address that is none shows no picture"


def test_slack_fields_and_colours_that_fail_cost_themselves_alone() -> None:
    broken = {"color": "mauve", "fields": [{"title": "x", "value": "{{ nothing.at.all }}"}], "footer": "{{"}
    with slack_receiver() as receiver:
        config = SlackConfig.model_validate({"api_url": receiver.url, **broken})
        SlackChannel.from_config(config, settings()).send(firing())
        (attachment,) = receiver.requests[0].json["attachments"]
    assert attachment["color"] == "#e01e5a"
    assert "context" not in {block["type"] for block in attachment["blocks"]}


def _texts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "text" in value and "type" in value and isinstance(value["text"], str):
            yield value
        for part in value.values():
            yield from _texts(part)
    if isinstance(value, list):
        for part in value:
            yield from _texts(part)


# --- Sentry


def test_sentry_keeps_one_event_of_a_delivery_and_one_issue_of_an_alert() -> None:
    with sentry_receiver() as receiver:
        project = sender("sentry", settings(sentry_dsn=receiver.dsn))
        receipts = [project.send(message) for message in (firing(), firing(), resolved())]
        assert len(receiver.requests) == 3
        assert {receipt.reference for receipt in receipts} == set(receiver.events)
        down, up = receiver.events.values()
        assert (down["level"], up["level"]) == ("fatal", "info")
        assert down["fingerprint"] == up["fingerprint"]
        assert down["tags"]["target"] == "shop"


def test_sentry_must_answer_200() -> None:
    with sentry() as (receiver, sender):
        receiver.answers.append(Answer(202))
        assert error_of(sender).reason == "http_202"


# --- email


def test_a_mail_names_all_goes_to_one_and_the_resolved_one_answers_the_firing_one() -> None:
    with smtp_receiver() as (mailbox, port):
        receipt = mailer(port).send(firing("email", RECIPIENT))
        mailer(port).send(replace(resolved("email", RECIPIENT), previous=receipt))
        down, up = mailbox.mails
        assert receipt.answer == "250 2.0.0 queued as 42"
        assert down["Subject"] == "[FIRING] DependencyDown shop (critical)"
        assert down["To"] == "ops@example.com, boss@example.com"
        assert up["In-Reply-To"] == up["References"] == down["Message-ID"] == receipt.reference
        assert mailbox.envelopes[0].rcpt_tos == [RECIPIENT]
        text, page = down.get_body(("plain",)), down.get_body(("html",))
        assert text is not None
        assert page is not None
        assert "2 checks in a row failed" in text.get_content()
        assert "shop is down" in page.get_content()


def test_a_mail_survives_hostile_text() -> None:
    with smtp_receiver() as (mailbox, port):
        mailer(port).send(hostile("email", RECIPIENT))
        (mail,) = mailbox.mails
        assert mail["Bcc"] is None
        assert mailbox.envelopes[0].rcpt_tos == [RECIPIENT]
        assert mail["Subject"].startswith("[FIRING] DependencyDown <!channel>")
        page = mail.get_body(("html",))
        assert page is not None
        assert "<b onclick" not in page.get_content()
        assert "\u202e" not in mail["Subject"] + page.get_content()


@pytest.mark.parametrize(("answer", "permanent"), [("550 no", True), ("451 later", False)])
def test_each_recipient_is_accounted_for_alone(answer: str, permanent: bool) -> None:
    with smtp_receiver() as (mailbox, port):
        mailbox.recipients = {RECIPIENT: answer}
        error = error_of(mailer(port))
        assert (error.reason, error.permanent) == (f"smtp_{answer[:3]}", permanent)
        assert mailbox.mails == []
        assert mailer(port).send(firing("email", "boss@example.com")).answer.startswith("250")


@pytest.mark.parametrize(
    ("answer", "reason", "permanent"),
    [
        ("554 5.7.1 refused", "smtp_554", True),
        ("451 4.3.0 later", "smtp_451", False),
        ("421 bye", "smtp_421", False),
        ("drop", "no_answer", False),
    ],
)
def test_the_answer_to_the_mail_itself_decides(answer: str, reason: str, permanent: bool) -> None:
    with smtp_receiver() as (mailbox, port):
        mailbox.data.append(answer)
        error = error_of(mailer(port))
        assert (error.reason, error.permanent) == (reason, permanent)


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_mail_server_that_hangs_is_cut_off(monkeypatch: pytest.MonkeyPatch, security: str) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.setattr(email, "CONVERSATION", 0.3)
    monkeypatch.setattr(email, "DEADLINE", 0.3)
    with smtp_receiver(security=security) as (mailbox, port):
        sender = mailer(port, smtp_security=security)
        sender.send(firing("email", RECIPIENT))
        mailbox.hang = True
        error = error_of(sender)
        assert (error.reason, error.permanent) == ("no_answer", False)


def test_starttls_is_the_default_and_is_never_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with smtp_receiver() as (_, port):
        assert error_of(mailer(port, smtp_security="starttls")).reason == "smtp_not_supported"
    with smtp_receiver(security="starttls") as (mailbox, port):
        sender = mailer(port, smtp_security="starttls")
        assert error_of(sender).reason == "tls_not_trusted"
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        sender.send(firing("email", RECIPIENT))
        assert len(mailbox.mails) == 1


def test_a_mail_server_that_wants_a_password_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with smtp_receiver(security="starttls", password="right") as (mailbox, port):
        values = {"smtp_security": "starttls", "smtp_username": "fleet"}
        error = error_of(mailer(port, **values, smtp_password=SecretStr("wrong")))
        assert (error.reason, error.permanent) == ("smtp_535", True)
        mailer(port, **values, smtp_password=SecretStr("right")).send(firing("email", RECIPIENT))
        assert len(mailbox.mails) == 1


def test_nobody_listens_for_mail() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        error = error_of(mailer(reserved.getsockname()[1]))
        assert (error.reason, error.permanent) == ("connection_failed", False)


def test_an_address_with_a_line_end_is_refused_by_name() -> None:
    with pytest.raises(Exception, match="alert_email_to"):
        EmailChannel(
            email.Server("127.0.0.1", 25, "none", operator_guard([])),
            "a@example.com",
            ("b@example.com\r\nBcc: c@d.e",),
        )


# --- log


def test_the_log_gets_one_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "watchfleet.notifications"):
        receipt = sender("log", settings()).send(hostile("log"))
    (record,) = caplog.records
    line = record.getMessage()
    assert receipt.answer == "logged at ERROR"
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["labels"]["target"] == KEPT


def test_a_log_that_nobody_takes_is_no_receipt() -> None:
    logger = logging.getLogger("watchfleet.notifications")
    logger.setLevel(logging.CRITICAL)
    try:
        assert error_of(sender("log", settings())).reason == "log_off"
    finally:
        logger.setLevel(logging.NOTSET)
