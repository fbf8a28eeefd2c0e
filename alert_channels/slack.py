"""Slack, by an incoming webhook: a coloured Block Kit message with a plain fallback.

What others wrote goes into `plain_text` objects, which Slack does not format, and is escaped besides, so
that no `<!channel>` and no link comes out of a label. Posting and retries are ours, not the SDK's: its
client follows proxies and has no deadline for the whole request.
"""

import json
from typing import Any, Final, Self

from slack_sdk.models.attachments import BlockAttachment
from slack_sdk.models.blocks import PlainTextObject, SectionBlock

from watchfleet import http
from watchfleet.addresses import Guard, operator_guard
from watchfleet.model import Message, Receipt, Severity
from watchfleet.notify.text import clean, facts, one_line, title
from watchfleet.settings import Settings

GREEN: Final = "#2eb67d"
_COLOURS: Final = {Severity.INFO: "#36c5f0", Severity.WARNING: "#ecb22e", Severity.CRITICAL: "#e01e5a"}
_FIELDS: Final = 10


class SlackChannel:
    """Posts each notification to an incoming webhook.

    Args:
        url: The webhook.
        guard: Which addresses that may lead to.
    """

    needs: str = "SLACK_WEBHOOK_URL"

    def __init__(self, url: str, guard: Guard) -> None:
        self._url, self._guard = http.check_url(url, "slack_webhook_url"), guard

    @classmethod
    def configured(cls, settings: Settings) -> bool:
        """Whether there is a webhook."""
        return settings.slack_webhook_url is not None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The channel for `slack_webhook_url`."""
        url = settings.slack_webhook_url
        return cls(url.get_secret_value() if url else "", operator_guard(settings.outgoing_allow))

    def send(self, message: Message) -> Receipt:
        """Post it."""
        body = json.dumps(payload(message)).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        response = http.post(self._url, body, headers, guard=self._guard)
        return Receipt(f"{response.status} {response.text[:200]}".strip())


def payload(message: Message) -> dict[str, Any]:
    """The message in Slack's form."""
    heading = escape(title(message), 150)
    colour = _COLOURS[message.severity] if message.status == "firing" else GREEN
    attachment = BlockAttachment(blocks=_blocks(message), color=colour, fallback=heading)
    return {
        "text": heading,
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "attachments": [attachment.to_dict()],
    }


def escape(text: str, limit: int) -> str:
    """`text` with Slack's three characters escaped, at most `limit` characters long."""
    escaped = _escape(clean(text, limit))
    # An escaped character is five long at most.
    return escaped if len(escaped) <= limit else _escape(clean(text, limit // 5))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _blocks(message: Message) -> list[Any]:
    summary = message.annotations.get("summary", "")
    description = message.annotations.get("description", "")
    fields = [_plain(f"{name}: {one_line(value, 300)}", 1500) for name, value in facts(message)]
    texts = [SectionBlock(text=_plain(text, 2900)) for text in (summary, description) if text.strip()]
    return [*texts, SectionBlock(fields=fields[:_FIELDS])]


def _plain(text: str, limit: int) -> PlainTextObject:
    return PlainTextObject(text=escape(text, limit) or "-", emoji=False)
