"""Keep secrets out of everything that is written down: logs, spans, errors, receipts.

Two rules work together. Values that are known to be secret are registered and replaced wherever they
occur; and what looks like a credential (the password in a URL, a bearer token) is replaced by its form.
"""

import logging
import re
from typing import Final

MASK: Final = "***"
_SHORTEST: Final = 6
_registered: set[str] = set()
_FORMS = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@", re.IGNORECASE), rf"\1:{MASK}@"),
    (re.compile(r"(?i)\b(authorization\s*[:=]\s*(?:basic|bearer)?)\s*[^\s,;]+"), rf"\1 {MASK}"),
    (re.compile(r"(?i)\b(bearer)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(?i)\b(password|passwd|secret|token|api[_-]?key)(\s*[=:]\s*)[^\s,;&]+"), rf"\1\2{MASK}"),
    (re.compile(r"(https://hooks\.slack\.com/services/)\S+"), rf"\1{MASK}"),
)


def register(secret: str) -> None:
    """Have `secret` replaced wherever `redact` meets it; values under six characters are left alone."""
    if len(secret) >= _SHORTEST:
        _registered.add(secret)


def redact(text: str) -> str:
    """`text` without registered secrets and without what looks like a credential."""
    for secret in sorted(_registered, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for form, mask in _FORMS:
        text = form.sub(mask, text)
    return text


class RedactingFilter(logging.Filter):
    """A logging filter for handlers: redacts the finished message and the exception's text."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drops it."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True
