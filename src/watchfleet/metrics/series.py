"""Series: the number of each.

A series is a metric's name with labels. The first sample of a series makes it, in a short transaction of its
own: its number is then good whatever becomes of the batch, and every process may remember it. Writers of one
metric's new series wait for each other there, so that the metric's limit holds to the unit.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from threading import Lock as Mutex
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from watchfleet.metrics.names import Valid, check
from watchfleet.metrics.registry import KINDS, Answer, look_up, unpack
from watchfleet.model import Kind

REMEMBERED: Final = 200_000
"""How many series a process remembers the numbers of."""
LISTS: Final = 32
"""How many lists of series are remembered as batches bring them: a client sends the same again and again."""
LONGEST_LIST: Final = 5_000
"""A list with more series is not."""

Key = tuple[Any, ...]


class Resolved:
    """The answers for the series of a batch, by their position.

    Args:
        packed: `Known.packed` of each; negative where there is no such series.
        reasons: Why there is none, by position.

    Attributes:
        reasons: The same.
        ids: The numbers; negative where there is none.
        overflowed: Whether the number is that of the series for what is over its metric's limit.
    """

    def __init__(self, packed: Sequence[int], reasons: Mapping[int, str]) -> None:
        self.reasons = reasons
        self.ids, self._kinds, self.overflowed = unpack(np.array(packed, np.int64))
        if reasons:
            self.overflowed &= self.ids >= 0

    def of_kind(self, *kinds: Kind) -> NDArray[np.bool_]:
        """Which positions hold a series of one of these kinds; any, where there is no such series."""
        wanted = np.zeros(KINDS, bool)
        wanted[[list(Kind).index(kind) for kind in kinds]] = True
        return wanted[self._kinds]


class _Memory:
    """The series that this process met last, and the lists of them that it met very last.

    To find that a list equals another costs a quarter of looking up each of its series. For single series
    there are two generations, each of half the size: what is met goes to the young one; when that is full, it
    becomes the old one, and the old one is forgotten. Unlike an order by last use, it costs a hit nothing.
    """

    def __init__(self) -> None:
        self._young: dict[Key | None, int] = {}
        self._old: dict[Key | None, int] = {}
        self._lists: deque[tuple[Sequence[Any], Resolved]] = deque(maxlen=LISTS)
        self._mutex = Mutex()

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def recall_list(self, entries: Sequence[Any]) -> Resolved | None:
        """The answers for a list of series that came before."""
        return next((resolved for given, resolved in tuple(self._lists) if given == entries), None)

    def remember_list(self, entries: Sequence[Any], resolved: Resolved) -> None:
        """Take a list in, all of whose series there are."""
        if len(entries) <= LONGEST_LIST:
            self._lists.append((entries, resolved))

    def recall_met(self, entries: Sequence[Any]) -> list[int | None]:
        """`Known.packed` of the series of each entry, None for those that were not met lately.

        Keys are not kept: thousands of tuples would have the garbage collector look at all that there is.

        Raises:
            TypeError, ValueError, AttributeError: An entry is none.
        """
        young = self._young
        return [young.get((name, kind, *labels.items())) for name, labels, kind in entries]

    def recall(self, keys: Sequence[Key | None]) -> list[int | None]:
        """`Known.packed` of each series, None for those that are not remembered."""
        found = [self._young.get(key) for key in keys]
        old = {key: self._old[key] for key in keys if key in self._old}
        self.remember(old)
        return [old.get(key) if one is None else one for key, one in zip(keys, found, strict=True)]

    def remember(self, learnt: Mapping[Key | None, int]) -> None:
        """Take series in."""
        with self._mutex:
            for key, packed in learnt.items():
                if len(self._young) >= REMEMBERED // 2:
                    self._young, self._old = {}, self._young
                self._young[key] = packed


_memories: "WeakKeyDictionary[Engine, _Memory]" = WeakKeyDictionary()
_memories_mutex: Final = Mutex()


def resolve(connection: Connection, entries: Sequence[Any]) -> Resolved:
    """The number of each series, made if it is new; or the reason why it cannot be.

    Reasons are those of `names.check` and `registry.look_up`.

    Args:
        connection: Where to look; new series are made on another connection of the same engine.
        entries: `[name, labels, kind]` each; may be anything, as it comes from outside.
    """
    memory = _memory(connection.engine)
    if (resolved := memory.recall_list(entries)) is not None:
        return resolved
    try:
        met = memory.recall_met(entries)
    except (TypeError, ValueError, AttributeError):
        met = [None]
    if None not in met:
        resolved = Resolved([one for one in met if one is not None], {})
        memory.remember_list(entries, resolved)
        return resolved
    keys = [_key(entry) for entry in entries]
    recalled = memory.recall(keys)
    unknown = {at: check(entries[at]) for at, one in enumerate(recalled) if one is None}
    if not unknown:
        return Resolved([one for one in recalled if one is not None], {})
    learnt = _learn(connection, unknown)
    known = {at: one.packed for at, one in learnt.items() if not isinstance(one, str)}
    memory.remember({key: one for at, one in known.items() if (key := keys[at])})
    packed = [known.get(at, -1) if one is None else one for at, one in enumerate(recalled)]
    return Resolved(packed, {at: one for at, one in learnt.items() if isinstance(one, str)})


def _learn(connection: Connection, checked: Mapping[int, Valid | str]) -> dict[int, Answer]:
    valid = {at: one for at, one in checked.items() if not isinstance(one, str)}
    found = look_up(connection, valid.values()) if valid else {}
    return {
        at: one if isinstance(one, str) else found[one.fingerprint, one.kind] for at, one in checked.items()
    }


def _key(entry: Any) -> Key | None:
    """What a series is remembered by, as it came; None for what cannot be a series."""
    try:
        name, labels, kind = entry
        key = (name, kind, *labels.items())
        hash(key)
    except (TypeError, ValueError, AttributeError):
        return None
    return key


def _memory(engine: Engine) -> _Memory:
    with _memories_mutex:
        return _memories.setdefault(engine, _Memory())
