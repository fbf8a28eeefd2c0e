"""Annotations that are expanded when somebody reads them: most evaluations end without a reader."""

from collections.abc import Callable, Iterator, Mapping


class Expanded(Mapping[str, str]):
    """Templates by name, read as the texts that they come to.

    Those that query are expanded at once: later, the series would be others.

    Args:
        templates: The templates.
        expand: Gives the text of one.
    """

    __slots__ = ("_expand", "_templates", "_texts")

    def __init__(self, templates: Mapping[str, str], expand: Callable[[str], str]) -> None:
        self._templates, self._expand = templates, expand
        self._texts = {name: expand(text) for name, text in templates.items() if "query" in text}

    def __getitem__(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = self._expand(self._templates[name])
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._templates)

    def __len__(self) -> int:
        return len(self._templates)

    def __repr__(self) -> str:
        return repr(dict(self))
