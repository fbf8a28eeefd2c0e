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
from watchfleet.model import Message, Receipt, Severity
from watchfleet.notify.http_channel import Poster
from watchfleet.notify.receivers import SlackConfig
from watchfleet.notify.text import clean, distinction, facts, one_line, texts, title
from watchfleet.settings import Settings

GREEN: Final = "#2eb67d"
_COLOURS: Final = {Severity.INFO: "#36c5f0", Severity.WARNING: "#ecb22e", Severity.CRITICAL: "#e01e5a"}
_FIELDS: Final = 10
_LISTED: Final = 20


class SlackChannel:
    """Posts each notification to an incoming webhook.

    Args:
        url: The webhook.
        poster: Makes the requests.
    """

    config = SlackConfig

    def __init__(self, url: str, poster: Poster) -> None:
        self._url, self._poster = http.check_url(url, "Slack's api_url"), poster

    @classmethod
    def from_config(cls, config: SlackConfig, settings: Settings) -> Self:
        """The channel."""
        return cls(config.secret("api_url"), Poster.of(config, settings))

    def send(self, message: Message) -> Receipt:
        """Post it."""
        body = json.dumps(payload(message)).encode()
        response = self._poster.post(self._url, body, {"Content-Type": "application/json; charset=utf-8"})
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
    fields = [_plain(f"{name}: {one_line(value, 300)}", 1500) for name, value in facts(message)]
    return [*_sections(message), SectionBlock(fields=fields[:_FIELDS])]


def _sections(message: Message) -> list[SectionBlock]:
    """The texts of a single alert; of several, a line or two for each."""
    if message.count == 1:
        return [SectionBlock(text=_plain(text, 2900)) for text in texts(message.alerts[0])]
    listed = message.alerts[:_LISTED]
    lines = [": ".join([distinction(alert, message), *texts(alert)[:1]]) for alert in listed]
    more = message.count - len(listed)
    return [
        SectionBlock(text=_plain(line, 600)) for line in [*lines, *([f"and {more} more"] if more else [])]
    ]


def _plain(text: str, limit: int) -> PlainTextObject:
    return PlainTextObject(text=escape(text, limit) or "-", emoji=False)
