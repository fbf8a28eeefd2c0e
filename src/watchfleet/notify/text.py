"""Text that others wrote, made safe to show, and the words that every channel shares."""

import re
from typing import Final

from watchfleet.model import Message

SUBJECTS: Final = ("target", "instance", "queue", "account", "job")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_LINE_ENDS: Final = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Control characters, marks that turn the direction of what follows, and invisible ones.
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def storable(text: str, limit: int) -> str:
    """`text` as PostgreSQL can keep it (no NUL, no lone surrogate), at most `limit` characters long."""
    return shorten(_UNSTORABLE.sub("\ufffd", text[: limit + 1]), limit)


def clean(text: str, limit: int) -> str:
    """`text` without control, direction and invisible characters, in lines, at most `limit` characters."""
    text = _LINE_ENDS.sub("\n", _UNSTORABLE.sub("\ufffd", text[: 2 * limit]))
    return shorten(_INVISIBLE.sub("", text), limit)


def one_line(text: str, limit: int) -> str:
    """`clean` text with every run of white space as one space: what a header or a title may hold."""
    return shorten(" ".join(clean(text, 2 * limit).split()), limit)


def shorten(text: str, limit: int) -> str:
    """`text`, cut with an ellipsis if it is longer than `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def title(message: Message) -> str:
    """One line that tells the notifications of a list apart: `[FIRING] DependencyDown shop (critical)`."""
    subject = next((message.labels[name] for name in SUBJECTS if message.labels.get(name)), "")
    words = f"[{message.status.upper()}] {message.alert} {subject} ({message.severity})"
    return one_line(words, 150)


def facts(message: Message) -> list[tuple[str, str]]:
    """What a reader wants to know beside the texts: since when, until when, and the labels."""
    ended = [("Resolved", f"{message.ends_at:%Y-%m-%d %H:%M:%S %Z}")] if message.ends_at else []
    started = ("Started", f"{message.starts_at:%Y-%m-%d %H:%M:%S %Z}")
    return [started, *ended, *sorted(message.labels.items())]
