"""Keep secrets out of everything that is written down: logs, spans, errors, receipts.

Two rules work together. Values that are known to be secret are registered and replaced wherever they
occur; and what looks like a credential (the password in a URL, a bearer token) is replaced by its form.
"""

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
    for secret in sorted(_registered, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for form, mask in _FORMS:
        text = form.sub(mask, text)
    return text
