"""Where in a YAML file a character of a scalar's text stands."""

from collections.abc import Sequence

import yaml


def place(lines: Sequence[str], node: yaml.ScalarNode, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `offset` in a scalar's text.

    Whatever way the scalar is written, its characters stand in the file in the same order, with more
    white space, quotes and backslashes between them: so both are walked side by side.

    Args:
        lines: The file's lines.
        node: The scalar.
        offset: Where in its text, from 0.
    """
    walk = _Walk(lines, node)
    for char in str(node.value)[:offset]:
        walk.over(char)
    walk.to_text()
    return walk.line + 1, walk.column + 1


class _Walk:
    def __init__(self, lines: Sequence[str], node: yaml.ScalarNode) -> None:
        self._lines, self._style = lines, node.style
        self.line, self.column = node.start_mark.line, node.start_mark.column
        if node.style in {"|", ">"}:
            self.line, self.column = self.line + 1, 0
        elif node.style:
            self.column += 1

    def over(self, char: str) -> None:
        """Go behind a character of the text."""
        if char.isspace():
            return
        self.to_text()
        row = self._lines[self.line] if self.line < len(self._lines) else ""
        escaped = self._style == '"' and row[self.column : self.column + 1] == "\\"
        doubled = self._style == char == "'"
        self.column += 2 if escaped or doubled else 1

    def to_text(self) -> None:
        """Go to the next place that holds something else than white space, if there is one."""
        before = self.line, self.column
        while self.line < len(self._lines):
            rest = self._lines[self.line][self.column :]
            text = rest.lstrip()
            if text and not (self._style == '"' and text == "\\"):
                self.column += len(rest) - len(text)
                return
            self.line, self.column = self.line + 1, 0
        self.line, self.column = before
