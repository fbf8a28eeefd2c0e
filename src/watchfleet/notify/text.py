"""Text that others wrote, made safe to show, and the words that every channel shares."""

import re
from datetime import datetime
from typing import Final

from watchfleet.model import AlertFacts, Message

SUBJECTS: Final = ("target", "instance", "queue", "account", "job")
_LINK: Final = re.compile(r"https?://[\w.:\[\]-]+(?:[/?#][!#-;=?-Z_a-z~%]*)?", re.ASCII)
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
    """One line that tells the notifications of a list apart.

    `[FIRING] DependencyDown shop (critical)`, and of several alerts `[FIRING:3] DependencyDown (critical)`.
    """
    count = message.count if message.status == "resolved" else len(message.firing) + message.truncated_alerts
    number = f":{count}" if message.count > 1 else ""
    labels = message.common_labels
    subject = next((labels[name] for name in SUBJECTS if labels.get(name)), "")
    name = message.name or " ".join(message.group_labels.values()) or f"{message.count} alerts"
    return one_line(f"[{message.status.upper()}{number}] {name} {subject} ({message.severity})", 150)


def facts(message: Message) -> list[tuple[str, str]]:
    """What a reader wants to know beside the texts: since when, until when, and the common labels."""
    started = ("Started", _time(min(alert.starts_at for alert in message.alerts)))
    ends = [alert.ends_at for alert in message.alerts if alert.ends_at]
    ended = [("Resolved", _time(max(ends)))] if ends and message.status == "resolved" else []
    found = message.common_annotations.get("correlation_id")
    correlated = [("Correlation id", found)] if found else []
    return [started, *ended, *correlated, *sorted(message.common_labels.items())]


def texts(alert: AlertFacts) -> list[str]:
    """The alert's summary and description, as far as it has them."""
    annotations = (alert.annotations.get(name, "") for name in ("summary", "description"))
    return [text for text in annotations if text.strip()]


def links(message: Message) -> list[tuple[str, str]]:
    """Where more is to be seen: runbook, dashboard, source, as far as they are plain web addresses."""
    first = message.alerts[0]
    named = (
        ("Runbook", first.annotations.get("runbook_url", "")),
        ("Dashboard", first.annotations.get("dashboard_url", "")),
        ("Source", first.generator_url),
    )
    return [(name, url) for name, url in named if is_link(url)]


def is_link(url: str) -> bool:
    """Whether it is a plain web address, of a length that every channel takes."""
    return len(url) <= 2000 and _LINK.fullmatch(url) is not None


def distinction(alert: AlertFacts, message: Message) -> str:
    """Its status and what tells it from the others of its group: `[firing] target="shop"`."""
    own = {name: value for name, value in alert.labels.items() if name not in message.common_labels}
    pairs = ", ".join(f'{name}="{value}"' for name, value in sorted(own.items()))
    return one_line(f"[{alert.status}] {pairs}", 300)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"
