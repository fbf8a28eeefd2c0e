"""A YAML mapping that remembers on which line each of its values stands."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import yaml

from watchfleet.errors import ConfigError

Location = tuple[str | int, ...]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LARGEST_BYTES: Final = 32 * 1024 * 1024
DEEPEST: Final = 100
"""How deep a file may nest: libyaml composes by recursion, and would end the process."""


class Document:
    """What a file holds.

    Attributes:
        path: The file.
        values: Its mapping; of an empty file, an empty one.
        problems: Keys that are given twice, of which YAML would silently take the last; with their places.
    """

    def __init__(self, path: Path, values: dict[str, Any], root: yaml.Node | None) -> None:
        self.path, self.values, self._root = path, values, root
        self.problems: tuple[tuple[Location, ConfigError], ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            ConfigError: It cannot be read or holds no YAML mapping; names the line.
        """
        return cls.parse(read_text(path), path)

    @classmethod
    def parse(cls, text: str, path: Path) -> Self:
        """Read `text` as the content of `path`.

        Raises:
            ConfigError: It is no YAML mapping; names the line.
        """
        with _yaml_errors(path):
            root = _compose(text, path)
            # Before the construction, which merges `<<` into the nodes.
            problems = tuple(_duplicates(root, (), path, set())) if root else ()
            values = _Loader("").construct_document(root) if root else {}
        document = cls(path, _mapping(values, path), root)
        document.problems = problems
        return document

    def line(self, location: Sequence[str | int]) -> int | None:
        """The line of the value at `location`, from 1; of the nearest one around it where there is none."""
        node, line = self._root, None
        for part in location:
            found = _child(node, part)
            if found is None:
                break
            node, line = found
        return line

    def has(self, location: Sequence[str | int]) -> bool:
        """Whether the file holds anything at `location`."""
        node = self._root
        for part in location:
            found = _child(node, part)
            if found is None:
                return False
            node = found[0]
        return True


def compose(text: str, path: Path) -> yaml.Node | None:
    """The tree of nodes that `text`, the content of `path`, means; None if it is empty.

    Raises:
        ConfigError: It is not YAML, or more than one document; names the line and the column.
    """
    with _yaml_errors(path):
        return _compose(text, path)


def repeated_keys(root: yaml.Node, path: Path) -> Iterator[ConfigError]:
    """Each key that a mapping of the tree gives twice."""
    return (error for _, error in _duplicates(root, (), path, set()))


def _compose(text: str, path: Path) -> yaml.Node | None:
    _check_depth(text, path)
    root: yaml.Node | None = _Loader(text).get_single_node()
    return root


def _check_depth(text: str, path: Path) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            mark: Any = event.start_mark
            cause = f"not YAML that can be used: it nests deeper than {DEEPEST} levels"
            raise ConfigError(cause, path=path, line=mark.line + 1, column=mark.column + 1)


@contextmanager
def _yaml_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        cause = f"not YAML: {error.problem or error.context}"
        raise ConfigError(cause, path=path, line=line, column=column) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"not YAML: {error}", path=path) from error


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: It cannot be read, is too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", path=path, mend="name a file that exists and is readable"
        ) from error
    if len(content) > LARGEST_BYTES:
        raise ConfigError(f"is larger than {LARGEST_BYTES >> 20} MiB", path=path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8", path=path, line=line, mend="save it as UTF-8") from error


def _mapping(values: object, path: Path) -> dict[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"holds a {type(values).__name__}, not a mapping",
            path=path,
            line=1,
            mend="start with a setting, such as `database_url: postgresql://...`",
        )
    return {str(key): value for key, value in values.items()}


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    """The node under `part` and the line that it begins on; for a mapping, its key's line."""
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None


def _duplicates(
    node: yaml.Node, location: Location, path: Path, seen: set[int]
) -> Iterator[tuple[Location, ConfigError]]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicates(item, (*location, index), path, seen)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _duplicates(value, (*location, str(key.value)), path, seen)
        for error in _repeated_keys(node, path):
            yield location, error


def _repeated_keys(node: yaml.MappingNode, path: Path) -> Iterator[ConfigError]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            yield ConfigError(
                f"{key.value} is given twice, first on line {lines[key.value]}",
                path=path,
                line=line,
                column=key.start_mark.column + 1,
                mend="keep one of the two",
            )
        lines.setdefault(key.value, line)
