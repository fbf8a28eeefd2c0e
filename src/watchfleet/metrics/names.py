"""Which series may be: Prometheus's rules for names and labels, and bounds on their size."""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from watchfleet.model import Kind

LONGEST_NAME: Final = 200
LONGEST_VALUE: Final = 1024
MOST_LABELS: Final = 32

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_KINDS: Final = {str(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Valid:
    """A series that may be."""

    name: str
    labels: dict[str, str]
    kind: Kind
    fingerprint: UUID


def check(entry: Any) -> Valid | str:
    """A series out of `[name, labels, kind]`, or the reason why it may not be.

    Reasons are `bad_series`, `bad_name`, `bad_label`, `bad_label_value`, `too_many_labels` and `bad_kind`.

    A label with an empty value is as good as none and left out, as Prometheus does.
    """
    try:
        name, labels, kind = entry
    except (TypeError, ValueError):
        return "bad_series"
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        return "bad_name"
    if not isinstance(kind, str) or kind not in _KINDS:
        return "bad_kind"
    reason = _complaint(labels)
    if reason:
        return reason
    kept = {label: labels[label] for label in sorted(labels) if labels[label]}
    return Valid(name, kept, _KINDS[kind], fingerprint(name, kept))


def fingerprint(name: str, labels: Mapping[str, str]) -> UUID:
    """Identifies a series; the same in every process."""
    canonical = json.dumps([name, sorted(labels.items())], separators=(",", ":"))
    return UUID(bytes=blake2b(canonical.encode(), digest_size=16).digest())


def is_storable(content: str) -> bool:
    """Whether PostgreSQL can keep a text: neither NUL nor half a surrogate pair."""
    return "\x00" not in content and not _SURROGATE.search(content)


def is_number(value: Any) -> bool:
    """Whether it is a number, and a finite one."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and abs(value) <= sys.float_info.max


def _complaint(labels: Any) -> str | None:
    if not isinstance(labels, dict):
        return "bad_label"
    if len(labels) > MOST_LABELS:
        return "too_many_labels"
    for label, value in labels.items():
        if not isinstance(label, str) or not _is_label(label):
            return "bad_label"
        if not isinstance(value, str) or not _is_value(value):
            return "bad_label_value"
    return None


def _is_label(label: str) -> bool:
    # Two underscores in front are Prometheus's own labels.
    return len(label) <= LONGEST_NAME and not label.startswith("__") and bool(_LABEL.fullmatch(label))


def _is_value(value: str) -> bool:
    return len(value) <= LONGEST_VALUE and is_storable(value)
