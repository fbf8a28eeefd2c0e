"""Keep secrets out of everything that is written down: logs, spans, errors, receipts.

Two rules work together. Values that are known to be secret are registered and replaced wherever they
occur; and what looks like a credential (the password in a URL, a bearer token) is replaced by its form.
Both look at the text as it is: a value that is replaced does not hide the form of another.
"""

import re
from collections.abc import Iterator
from typing import Final

MASK: Final = "***"
_SHORTEST: Final = 6
_registered: set[str] = set()
_FORMS = (
    re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@]*:([^\s@/]+)@", re.IGNORECASE),
    re.compile(r"(?i)\bauthorization\s*[:=]\s*(?:(?:basic|bearer)\b)?\s*([^\s,;]+)"),
    re.compile(r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{8,})"),
    re.compile(r"(?i)\b(?:password|passwd|secret|token|api[_-]?key)\s*[=:]\s*([^\s,;&]+)"),
    re.compile(
        r"""(?i)["'][\w-]*(?:password|passwd|secret|token|api[_-]?key)[\w-]*["']\s*:\s*["]((?:[^"\\]|\\.)+)"""
    ),
    re.compile(r"https://hooks\.slack\.com/services/(\S+)"),
)
"""Each with one group, which is what must not be seen."""
_SECRET_NAME: Final = re.compile(
    r"(?i)password|passwd|secret|token|api[_-]?key|authorization|credential|cookie"
)


def is_secret_name(name: str) -> bool:
    """Whether a field of this name, such as `api_key`, holds what must not be seen."""
    return _SECRET_NAME.search(name) is not None


def register(secret: str) -> None:
    """Have `secret` replaced wherever `redact` meets it; values under six characters are left alone."""
    if len(secret) >= _SHORTEST:
        _registered.add(secret)


def redact(text: str) -> str:
    """`text` without registered secrets and without what looks like a credential."""
    shown = 0
    parts: list[str] = []
    for start, end in sorted(_spans(text)):
        if start > shown or not parts:
            parts += [text[shown:start], MASK]
        shown = max(shown, end)
    return "".join([*parts, text[shown:]])


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where something stands that must not be seen; they may overlap."""
    for form in _FORMS:
        yield from (found.span(1) for found in form.finditer(text))
    for secret in _registered:
        start = text.find(secret)
        while start >= 0:
            yield start, start + len(secret)
            start = text.find(secret, start + 1)
