"""Slack: a coloured Block Kit message with a plain fallback, by an incoming webhook or by a bot.

What others wrote goes into `plain_text` objects, which Slack does not format, and is escaped besides, so
that no `<!channel>` and no link comes out of a label. Posting and retries are ours, not the SDK's: its
client follows proxies, has no deadline for the whole request, and posts again when an answer was lost.

A webhook tells nothing of what it posted. A bot's messages carry the delivery's id in their metadata: a try
after the first looks for it before it posts again. What continues a notification answers it in its thread,
and the first message shows how the group stands now.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from slack_sdk.models.attachments import BlockAttachment
from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextBlock,
    ImageBlock,
    ImageElement,
    PlainTextObject,
    SectionBlock,
)

from watchfleet import http
from watchfleet.errors import DeliveryError
from watchfleet.model import Message, Receipt, Severity
from watchfleet.notify.http_channel import Poster
from watchfleet.notify.receivers import SlackConfig
from watchfleet.notify.templates import render
from watchfleet.notify.text import clean, distinction, facts, is_link, links, one_line, texts, title
from watchfleet.settings import Settings

GREEN: Final = "#2eb67d"
EVENT_TYPE: Final = "watchfleet_notification"
PAGES: Final = 5
PAGE_CAP: Final = 8_000_000
"""Bytes of an answer: a page of messages that are as long as they may be."""
LONGEST: Final = 14.0
"""Seconds for all calls of one notification."""
_COLOURS: Final = {Severity.INFO: "#36c5f0", Severity.WARNING: "#ecb22e", Severity.CRITICAL: "#e01e5a"}
_FIELDS: Final = 10
_SECTIONS: Final = 30
"""Of listed alerts: a message has 50 blocks at most."""
_LINES: Final = 400
_SECTION_CAP: Final = 2900
_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}
_PASSING: Final = {
    "fatal_error", "internal_error", "ratelimited", "rate_limited", "request_timeout", "service_unavailable",
    "team_added_to_org",
}  # fmt: skip
_GONE: Final = {"message_not_found", "cant_update_message", "edit_window_closed", "update_failed"}
_COLOUR: Final = re.compile(r"good|warning|danger|#[0-9A-Fa-f]{6}")
_ID: Final = re.compile(r"[CGD][A-Z0-9]{6,}")


@dataclass(frozen=True, slots=True)
class Look:
    """How messages look.

    Attributes:
        templates: What a receiver's entry says of its messages.
        sender: Name and icon to post under, as far as they are given.
    """

    templates: SlackConfig
    sender: Mapping[str, str] = field(default_factory=dict)

    def made(self, name: str, message: Message) -> str:
        """What the template of that name makes; empty if there is none, or it fails."""
        return render(getattr(self.templates, name), message).text or ""

    def link(self, name: str, message: Message) -> str:
        """The same of an address; empty if it is none."""
        made = self.made(name, message).strip()
        return made if is_link(made) else ""


class SlackChannel:
    """Posts each notification to an incoming webhook.

    Args:
        url: The webhook.
        poster: Makes the requests.
        look: How messages look.
    """

    config = SlackConfig

    def __init__(self, url: str, poster: Poster, look: Look) -> None:
        self._url, self._poster, self._look = http.check_url(url, "Slack's api_url"), poster, look

    @classmethod
    def from_config(cls, config: SlackConfig, settings: Settings) -> "SlackChannel | SlackBot":
        """The channel: a bot if there is a token."""
        names = {"username": config.username, "icon_emoji": config.icon_emoji, "icon_url": config.icon_url}
        look = Look(config, {name: value for name, value in names.items() if value})
        poster = Poster.of(config, settings)
        token = config.secret("app_token")
        if token:
            return SlackBot(config.app_url, token, config.channel, poster, look)
        return cls(config.secret("api_url"), poster, look)

    def send(self, message: Message) -> Receipt:
        """Post it."""
        body = json.dumps(payload(message, self._look)).encode()
        response = self._poster.post(self._url, body, _JSON)
        return Receipt(f"{response.status} {response.text[:200]}".strip())


class SlackBot:
    """Posts, answers and updates messages in one channel, as a bot.

    Args:
        url: Where the bot's methods are.
        token: The bot's token.
        channel: The channel's id, or #name.
        poster: Makes the requests.
        look: How messages look.
    """

    def __init__(self, url: str, token: str, channel: str, poster: Poster, look: Look) -> None:
        self._url = http.check_url(url, "Slack's app_url").removesuffix("chat.postMessage").rstrip("/")
        self._headers, self._channel = {**_JSON, "Authorization": f"Bearer {token}"}, channel
        self._poster, self._look = poster, look

    def send(self, message: Message) -> Receipt:
        """Post it, in the thread of what it continues; unless an earlier try's message is there already."""
        before = message.previous.extra if message.previous else {}
        channel, thread = str(before.get("channel") or self._channel), str(before.get("thread") or "")
        calls = _Calls(self._url, self._headers, self._poster, monotonic() + LONGEST)
        content = payload(message, self._look)
        found = _posted(calls, channel, thread, message.delivery_id) if message.attempt > 1 else ""
        if found:
            answer: dict[str, Any] = {"channel": _id(calls, channel), "ts": found}
        else:
            answer = _post(calls, channel, thread, message.delivery_id, content)
        if thread:
            _update(calls, channel, thread, content)
        place = {"channel": answer["channel"], "thread": thread or answer["ts"], "found": bool(found)}
        return Receipt("ok", reference=str(answer["ts"]), extra=place)


@dataclass(frozen=True, slots=True)
class _Calls:
    """The calls that one notification takes, all within one deadline.

    Attributes:
        url: Where the methods are.
        headers: Hold the token.
        poster: Makes the requests.
        until: By the monotonic clock, when they must be done.
    """

    url: str
    headers: Mapping[str, str]
    poster: Poster
    until: float

    def call(self, method: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method.

        Raises:
            DeliveryError: There was no answer in time, or it is an error.
        """
        left = self.until - monotonic()
        if left <= 0:
            raise DeliveryError("timeout", permanent=False, detail=f"no time is left for {method}")
        body = json.dumps(content).encode()
        response = self.poster.within(left).post(f"{self.url}/{method}", body, self.headers, PAGE_CAP)
        try:
            answer: Any = json.loads(response.body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise DeliveryError("slack_unreadable", permanent=False, detail=response.text[:200])
        if answer.get("ok") is not True:
            error = one_line(str(answer.get("error", "unknown")), 100)
            raise DeliveryError(f"slack_{error}", permanent=error not in _PASSING, detail=method)
        return answer

    def pages(self, method: str, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The answers of a method that gives a page at a time, `PAGES` at most."""
        cursor = ""
        for _ in range(PAGES):
            answer = self.call(method, {**asked, **({"cursor": cursor} if cursor else {})})
            yield answer
            cursor = str(answer.get("response_metadata", {}).get("next_cursor", ""))
            if not cursor:
                return


def _post(
    calls: _Calls, channel: str, thread: str, delivery_id: str, content: Mapping[str, Any]
) -> dict[str, Any]:
    metadata = {"event_type": EVENT_TYPE, "event_payload": {"delivery_id": delivery_id}}
    place = {"channel": channel, **({"thread_ts": thread} if thread else {})}
    return calls.call("chat.postMessage", {**content, **place, "metadata": metadata})


def _update(calls: _Calls, channel: str, ts: str, content: Mapping[str, Any]) -> None:
    """Have a message show how its group stands now; one that is gone needs none."""
    told = {name: content[name] for name in ("text", "attachments")}
    try:
        calls.call("chat.update", {**told, "channel": channel, "ts": ts})
    except DeliveryError as error:
        if error.reason.removeprefix("slack_") not in _GONE:
            raise


def _posted(calls: _Calls, channel: str, thread: str, delivery_id: str) -> str:
    """The ts of the message of that delivery; empty if there is none among the newest."""
    method = "conversations.replies" if thread else "conversations.history"
    asked = {"channel": _id(calls, channel), "limit": 100, "include_all_metadata": True}
    for answer in calls.pages(method, {**asked, **({"ts": thread} if thread else {})}):
        for posted in answer.get("messages", ()):
            told = posted.get("metadata", {})
            ours = told.get("event_type") == EVENT_TYPE
            if ours and told.get("event_payload", {}).get("delivery_id") == delivery_id:
                return str(posted["ts"])
    return ""


def _id(calls: _Calls, channel: str) -> str:
    """The id of a channel that may be given by name: reading takes no names."""
    if _ID.fullmatch(channel):
        return channel
    name = channel.removeprefix("#")
    for answer in calls.pages("conversations.list", {"limit": 1000, "exclude_archived": True}):
        for known in answer.get("channels", ()):
            if known.get("name") == name:
                return str(known["id"])
    raise DeliveryError("slack_channel_not_found", permanent=True, detail=f"no channel is named {name}")


def payload(message: Message, look: Look) -> dict[str, Any]:
    """The message in Slack's form."""
    heading = escape(one_line(look.made("title", message) or title(message), 150), 150)
    above = escape(look.made("pretext", message).strip(), _SECTION_CAP)
    attachment = BlockAttachment(
        blocks=[*([_section(heading)] if above else []), *_blocks(message, look, heading)],
        color=_colour(message, look),
        fallback=escape(one_line(look.made("fallback", message), 150), 150) or heading,
    )
    return {
        "text": above or heading,
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "attachments": [attachment.to_dict()],
        **look.sender,
    }


def _colour(message: Message, look: Look) -> str:
    usual = _COLOURS[message.severity] if message.status == "firing" else GREEN
    wanted = look.made("color", message).strip()
    return wanted if _COLOUR.fullmatch(wanted) else usual


def escape(text: str, limit: int) -> str:
    """`text` with Slack's three characters escaped, at most `limit` characters long."""
    escaped = _escape(clean(text, limit))
    # An escaped character is five long at most.
    return escaped if len(escaped) <= limit else _escape(clean(text, limit // 5))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _blocks(message: Message, look: Look, heading: str) -> Iterator[Block]:
    written, thumb = look.made("text", message), look.link("thumb_url", message)
    told = [written] if written.strip() else list(_told(message))
    for place, text in enumerate(told):
        beside = ImageElement(image_url=thumb, alt_text=heading) if thumb and not place else None
        yield SectionBlock(text=_plain(text, _SECTION_CAP), accessory=beside)
    yield from _fields(message, look)
    buttons = list(_buttons(message, look))
    if buttons:
        yield ActionsBlock(elements=buttons)
    picture, footer = look.link("image_url", message), look.made("footer", message)
    if picture:
        yield ImageBlock(image_url=picture, alt_text=heading)
    if footer.strip():
        yield ContextBlock(elements=[_plain(footer, 1000)])


def _fields(message: Message, look: Look) -> Iterator[Block]:
    """The entry's own fields, else what is common to the alerts; those that share a line in one section."""
    short = []
    for one in look.templates.fields:
        name, value = (render(source, message).text or "" for source in (one.title, one.value))
        text = _plain(f"{one_line(name, 300)}: {clean(value, 1000)}", 1500)
        if one.short if one.short is not None else look.templates.short_fields:
            short.append(text)
        else:
            yield SectionBlock(text=text)
    if not look.templates.fields:
        short = [_plain(f"{name}: {one_line(value, 300)}", 1500) for name, value in facts(message)]
    if short:
        yield SectionBlock(fields=short[:_FIELDS])


def _buttons(message: Message, look: Look) -> Iterator[ButtonElement]:
    link = look.link("title_link", message)
    for name, url in [*([("Open", link)] if link else []), *links(message)]:
        yield ButtonElement(text=_plain(name, 70), url=url)
    for one in look.templates.actions:
        text, url = (render(source, message).text or "" for source in (one.text, one.url))
        if text.strip() and is_link(url.strip()):
            style = one.style if one.style in {"primary", "danger"} else None
            yield ButtonElement(text=_plain(text, 70), url=url.strip(), style=style)


def _section(escaped: str) -> SectionBlock:
    return SectionBlock(text=PlainTextObject(text=escaped, emoji=False))


def _told(message: Message) -> Iterator[str]:
    """The texts of a single alert; of several, a line for each, many in a section."""
    if message.count == 1:
        yield from texts(message.alerts[0])
        return
    listed = message.alerts[:_LINES]
    lines = [one_line(": ".join([distinction(each, message), *texts(each)[:1]]), 250) for each in listed]
    more = message.count - len(listed)
    lines += [f"and {more} more"] if more else []
    size = max(1, -(-len(lines) // _SECTIONS))
    for start in range(0, len(lines), size):
        yield "\n".join(lines[start : start + size])


def _plain(text: str, limit: int) -> PlainTextObject:
    return PlainTextObject(text=escape(text, limit) or "-", emoji=False)
