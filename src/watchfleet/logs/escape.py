"""Make text harmless for terminals and for readers of lines."""

import re
from typing import Final

# C0 but for tab, DEL, C1, line and paragraph separators, what turns the writing direction around, and half a
# surrogate pair, which no encoding takes.
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_NAMES: Final = {"\n": "\\n", "\r": "\\r", "\x1b": "\\x1b"}


def escape_controls(text: str) -> str:
    r"""`text` on one line, with `\x1b` and the like written out instead of sent to a terminal."""
    return _CONTROLS.sub(_written_out, text)


def escape_json(text: str) -> str:
    r"""JSON text with what `json.dumps` lets through, such as C1 controls, as `\u0085`."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _written_out(found: re.Match[str]) -> str:
    character = found.group()
    code = ord(character)
    return _NAMES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
