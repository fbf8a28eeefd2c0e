"""The fleet's rule files: those that come with it and those that the settings name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from glob import glob, has_magic
from os import stat_result
from pathlib import Path
from typing import Final

from watchfleet.errors import ConfigError
from watchfleet.rules.files import Loaded, load
from watchfleet.rules.model import Group
from watchfleet.rules.prepared import Override, PreparedGroup, group_key, prepare, shown_file
from watchfleet.settings import config_path, get_settings

BUILTIN: Final = Path(__file__).with_name("builtin")
"""Where the rules are that come with the fleet."""
MOST_FILES: Final = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """What all rule files hold.

    Attributes:
        groups: Each group with the name of its file, as keys have it.
        problems: What is wrong with files; the rest of them is there.
        doubtful: Files of which rules may be left out: their alerts are not to end for that.
    """

    groups: tuple[tuple[str, Group], ...] = ()
    problems: tuple[ConfigError, ...] = ()
    doubtful: frozenset[str] = frozenset()
    _prepared: dict[str, tuple[Mapping[str, Override], PreparedGroup]] = field(default_factory=dict)

    def prepared(self, overrides: Mapping[str, Override]) -> list[PreparedGroup]:
        """The groups, ready; each made anew only when something of it was changed."""
        return [self._prepare(file, group, overrides) for file, group in self.groups]

    def is_doubtful(self, key: str) -> bool:
        """Whether a group that is not there may have been left out because of a fault in its file."""
        return any(key.startswith(f"{file};") for file in self.doubtful)

    def _prepare(self, file: str, group: Group, overrides: Mapping[str, Override]) -> PreparedGroup:
        names = {name for rule in group.rules for name in (rule.name, f"{group.name}/{rule.name}")}
        own = {name: override for name, override in overrides.items() if name in names}
        key = group_key(file, group.name)
        kept = self._prepared.get(key)
        if kept is not None and kept[0] == own:
            return kept[1]
        ready = prepare(group, file, own)
        self._prepared[key] = (own, ready)
        return ready


def get_library() -> Library:
    """The fleet's rules; read again only when a file has changed."""
    return _library(tuple(_states(rule_paths(get_settings().rule_files))))


def rule_paths(patterns: Sequence[str]) -> list[tuple[Path, bool]]:
    """The files, and whether each is asked for by its very name.

    A relative pattern starts in the folder of the configuration file.
    """
    found = [(path, True) for path in sorted(BUILTIN.glob("*.yml"))]
    for pattern in patterns:
        whole = str(config_path().absolute().parent / pattern)
        if has_magic(whole):
            found += [(Path(path), False) for path in sorted(glob(whole, recursive=True))]  # noqa: PTH207 - pathlib has no ** in absolute patterns
        else:
            found.append((Path(whole), True))
    return list(dict.fromkeys(found))[:MOST_FILES]


_State = tuple[Path, tuple[int, int, int] | None]


def _states(paths: Sequence[tuple[Path, bool]]) -> Iterator[_State]:
    for path, named in paths:
        try:
            state: stat_result | None = path.stat()
        except OSError:
            state = None
        if state is not None or named:
            yield path, (state.st_mtime_ns, state.st_size, state.st_ino) if state else None


@lru_cache(maxsize=4)
def _library(states: tuple[_State, ...]) -> Library:
    loaded = [_load(state) for state in states]
    groups = [(shown_file(one.file.path, BUILTIN), group) for one in loaded for group in one.file.groups]
    doubtful = frozenset(shown_file(one.file.path, BUILTIN) for one in loaded if one.problems)
    return Library(tuple(groups), tuple(problem for one in loaded for problem in one.problems), doubtful)


@lru_cache(maxsize=MOST_FILES)
def _load(state: _State) -> Loaded:
    return load(state[0])
