"""Hostile text in labels, annotations and templates: delivered by every channel, never interpreted."""

import json
import time
from typing import Any

import pytest
from support.messages import AT, LABELS, alert, firing
from support.receivers import (
    SlackApi,
    http_receiver,
    sentry_receiver,
    slack_api,
    slack_receiver,
    smtp_receiver,
)

import alert_channels
from watchfleet.addresses import operator_guard
from watchfleet.errors import DeliveryError
from watchfleet.model import Message, Receipt
from watchfleet.notify.identity import fingerprint
from watchfleet.notify.message import message_of
from watchfleet.notify.receivers import (
    AppriseConfig,
    ChannelConfig,
    EmailConfig,
    LogConfig,
    SentryConfig,
    SlackConfig,
    WebhookConfig,
)
from watchfleet.notify.templates import problem, render
from watchfleet.settings import Settings

RECIPIENT = "ops@example.com"
TEXTS = {
    "control characters": "a\x00b\x07c\x1b[31mred\x9b31m\x7f",
    "mrkdwn": "<!channel> <@U123> <https://evil.example|click> *bold* _it_ `code` ```x``` &lt;",
    "html": "<script>alert(1)</script><img src=x onerror=y><!-- </table> '\" &amp;",
    "line ends": "x\r\nBcc: victim@example.com\r\n\r\nbody\u2028\u2029\x85\x0b\x0c.\r\n.\r\n",
    "bidi": "safe\u202egnp.exe\u2066\u2069\u200f\u061c",
    "a megabyte": "long " * 200_000,
    "no Unicode": "lone \ud800 surrogate \udfff and \ufffe",
    "jinja": "{{ 7 * 7 }} {% for x in y %} {{ ''.__class__ }}",
}
HTML = "<b>{{ common_labels.target }}</b>"
TEMPLATE = {"title": "{{ common_labels.target }}", "text": "{{ alerts[0].annotations.description }}"}


def hostile(text: str) -> Message:
    labels = {**LABELS, "target": text, f"name {text[:300]}": text}
    facts = alert(
        labels=labels, annotations={"summary": text, "description": text}, fingerprint=fingerprint(labels)
    )
    message = message_of([facts], receiver=text[:100], group_key=text, group_labels={"target": text})
    return Message(
        **{
            **{name: getattr(message, name) for name in message.__slots__},
            "delivery_id": "d1",
            "part": RECIPIENT,
        }
    )


def send(config: ChannelConfig, kind: str, message: Message) -> Receipt:
    return alert_channels.load(kind).from_config(config, Settings()).send(message)


def visible(text: str) -> bool:
    return not any(mark in text for mark in "\x00\x07\x1b\x9b\u202e\u2066\u2028\x85\x0b")


@pytest.mark.parametrize("templates", [{}, TEMPLATE], ids=["ours", "templates"])
@pytest.mark.parametrize("what", TEXTS)
def test_every_channel_delivers_it(
    what: str, templates: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    message = hostile(TEXTS[what])
    with http_receiver() as hook, slack_receiver() as slack, slack_api() as bot, sentry_receiver() as sentry:
        send(WebhookConfig(url=hook.url, **templates), "webhook", message)
        send(SlackConfig(api_url=slack.url, **templates), "slack", message)
        config = SlackConfig(app_token=SlackApi.TOKEN, channel=SlackApi.CHANNEL, app_url=bot.url, **templates)
        send(config, "slack", message)
        send(SentryConfig(dsn=sentry.dsn, **templates), "sentry", message)
        assert hook.requests[0].json["alerts"][0]["labels"]["target"] == message.alerts[0].labels["target"]
        _check_slack(slack.requests[0].json)
        _check_slack(bot.messages[0])
        (event,) = sentry.events.values()
        assert visible(event["logentry"]["formatted"])
    with caplog.at_level("INFO", "watchfleet.notifications"):
        send(LogConfig(**templates), "log", message)
    line = caplog.records[-1].getMessage()
    assert line.isascii()
    assert line.isprintable()
    json.loads(line)


def _check_slack(posted: dict[str, Any]) -> None:
    raw = json.dumps(posted, ensure_ascii=False)
    assert '"mrkdwn"' not in raw.replace('"mrkdwn": false', "")
    assert "<" not in raw, "nothing that Slack would take for a mention, a link or a command"
    assert visible(raw)


@pytest.mark.parametrize(
    "templates", [{}, {**TEMPLATE, "html": "<b>{{ common_labels.target }}</b>"}], ids=["ours", "templates"]
)
@pytest.mark.parametrize("what", TEXTS)
def test_a_mail_delivers_it(what: str, templates: dict[str, str]) -> None:
    with smtp_receiver() as (mailbox, port):
        server = {"smarthost": f"127.0.0.1:{port}", "require_tls": False}
        header = {"headers": {"X-Target": "{{ common_labels.target }}"}}
        send(EmailConfig(to=RECIPIENT, **server, **templates, **header), "email", hostile(TEXTS[what]))
        (mail,) = mailbox.mails
        assert mailbox.envelopes[0].rcpt_tos == [RECIPIENT]
    assert mail["Bcc"] is None
    assert visible(mail["Subject"] + mail["X-Target"])
    page = mail.get_body(("html",))
    assert page is not None
    assert "<script" not in page.get_content()
    assert "<img" not in page.get_content()


def test_apprise_delivers_it_and_its_url_is_in_no_command_line() -> None:
    with http_receiver() as receiver:
        url = receiver.url.replace("http", "json", 1)
        send(AppriseConfig(url=url, timeout="15s"), "apprise", hostile("".join(TEXTS.values())[:5000]))
        assert visible(receiver.requests[0].json["title"])


def test_apprise_passes_the_address_guard() -> None:
    with pytest.raises(DeliveryError, match="link_local") as caught:
        send(AppriseConfig(url="json://169.254.169.254/latest", timeout="15s"), "apprise", firing())
    assert (caught.value.reason, caught.value.permanent) == ("address_denied", True)


def test_a_mail_server_passes_the_address_guard() -> None:
    config = EmailConfig(to=RECIPIENT, smarthost="169.254.169.254:25", require_tls=False)
    with pytest.raises(DeliveryError, match="link_local") as caught:
        send(config, "email", firing("email", RECIPIENT))
    assert caught.value.permanent
    assert operator_guard([]).refusal("169.254.169.254")


# --- templates

BOMBS = [
    "{{ ''.__class__.__mro__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ alerts.__class__ }}",
    "{{ common_labels.__class__.__init__ }}",
    "{{ 'x' * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ 'x'.center(1000000000) }}",
    "{{ range(1000000000) }}",
    "{{ [1] * 1000000000 }}",
    "{% for a in text %}{% for b in text %}{{ a }}{% endfor %}{% endfor %}",
    "{% set x = alerts[0].annotations.long %}{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}",
    "{% set x = 'xxxxxxxxxx' %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}",
    "{% set x = 'xxxxxxxxxx' %}" + "{% set x = x + x %}" * 40 + "{{ x }}",
    "{{ alerts[0].annotations.long | replace('x', 'y' * 3) }}",
    "{{ alerts[0].annotations.long | replace('x', 'yyyyyyyyyyyyyyyy') }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{{ missing }}",
    "{{ alerts[99].labels }}",
    "{{ .CommonLabels.alertname }}",
    "{% for a in alerts %}",
    "{{ lipsum() }}",
    "{{ common_labels.update({'a': 'b'}) }}",
    "{{ cycler.__init__ }}",
    "x" * 1_000_000,
    "{{ " * 10_000,
    "{{ 1 / 0 }}",
    "\ud800{{ '\ud800' }}{{ 1/0 }}",
]


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_a_template_that_fails_costs_itself_and_the_notification_goes_out(bomb: str) -> None:
    message = firing(annotations={"long": "x" * 16_000})
    began = time.process_time()
    found = render(bomb, message)
    assert time.process_time() - began < 5
    assert found.text is None
    assert found.error
    with slack_receiver() as slack:
        send(SlackConfig(api_url=slack.url, title=bomb, text=bomb), "slack", message)
        assert slack.requests[0].json["text"] == "[FIRING] DependencyDown shop (critical)"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ common_labels.alertname }} on {{ count }}", "DependencyDown on 1"),
        (
            "{% for name, value in common_labels.items() %}{{ name }}={{ value }};{% endfor %}",
            "alertname=DependencyDown;kind=http;severity=critical;target=shop;",
        ),
        ("{{ severity | upper }} {{ alerts | map(attribute='labels') | list }}", None),
        ("{{ alerts[0].starts_at[:4] }} {{ missing | default('none') }}", "2026 none"),
        ("{% if status == 'firing' %}down{% else %}up{% endif %}", "down"),
        ("{{ group_labels.target ~ '!' }} {{ 2 * 3 }} {{ ['a', 'b'] | join('-') }}", "shop! 6 a-b"),
    ],
)
def test_what_templates_can(source: str, text: str | None) -> None:
    assert render(source, firing()).text == text


def test_what_is_put_into_html_is_escaped_and_what_is_written_there_is_not() -> None:
    found = render("<b>{{ common_labels.target }}</b>", firing(labels={**LABELS, "target": "<i>"}), html=True)
    assert found.text == "<b>&lt;i&gt;</b>"


def test_a_template_that_cannot_be_read_is_explained() -> None:
    assert "Jinja2" in problem("{{ .CommonLabels.alertname }}")
    assert problem("{{ common_labels.alertname }}") == ""
    assert AT.year == 2026
