"""How much a template may cost."""

from typing import Final

LARGEST_TEXT: Final = 262_144
"""Bytes or characters of the result, and of any text on the way to it."""
MOST_STEPS: Final = 100_000
"""Nodes and function calls that one expansion may carry out: some tenths of a second."""
DEEPEST_CALLS: Final = 50
"""How deep templates may call each other."""
