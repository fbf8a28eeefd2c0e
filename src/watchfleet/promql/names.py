"""Which names labels and metrics may have."""

import re
from typing import Final

_LEGACY: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def is_legacy_name(name: str) -> bool:
    """Whether a label of this name may be written without quotes."""
    return _LEGACY.fullmatch(name) is not None


def is_label_name(name: str) -> bool:
    """Whether Prometheus 3 takes this as a label's name: any text, not empty, that is valid UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return bool(name)
