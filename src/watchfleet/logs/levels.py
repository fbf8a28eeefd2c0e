"""How bad a record is: the words and letters that logs use, on one scale.

A word says the level only where it has its own place in the line. That place is learnt from a sample: what
stands in nearly every line is a level, and an `error:` in some messages is not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NAMES: Final = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL")
"""The levels, from the least to the worst."""
RANK: Final = {name: rank for rank, name in enumerate(NAMES)}
_WORDS: Final = {
    "TRACE": "trace trc finest finer",
    "DEBUG": "debug dbg debu fine verbose debug1 debug2 debug3 debug4 debug5 config",
    "INFO": "info inf information informational log statement detail hint context",
    "NOTICE": "notice note notif",
    "WARNING": "warning warn wrn warni",
    "ERROR": "error err eror severe failure",
    "CRITICAL": "critical crit fatal ftl emergency emerg alert panic crt",
}
_BY_WORD: Final = {word: level for level, words in _WORDS.items() for word in words.split()}
_BY_LETTER: Final = {
    "T": "TRACE", "V": "TRACE", "D": "DEBUG", "I": "INFO", "N": "NOTICE", "W": "WARNING", "E": "ERROR",
    "F": "CRITICAL", "C": "CRITICAL", "A": "CRITICAL", "S": "CRITICAL",
}  # fmt: skip
_BY_SYMBOL: Final = {".": "DEBUG", "-": "INFO", "*": "NOTICE", "#": "WARNING"}
_BY_SYSLOG: Final = ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
_BY_NUMBER: Final = {10: "TRACE", 20: "DEBUG", 30: "INFO", 40: "WARNING", 50: "ERROR", 60: "CRITICAL"}
_LISTED: Final = "|".join(sorted(_BY_WORD, key=len, reverse=True)).encode()
_MOST_CHARACTERS: Final = 240
_ENOUGH: Final = 0.9


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in which a level may stand.

    Attributes:
        name: For people.
        pattern: Finds it, as the group `level`; applied to the line up to a bound.
        words: What to look for in a block to find lines of a level: words, or None when only the pattern can.
    """

    name: str
    pattern: re.Pattern[bytes]
    words: bool = True

    def find(self, line: bytes) -> bytes | None:
        """The level as it is written; None if there is none in its place."""
        found = self.pattern.search(line, 0, _MOST_CHARACTERS)
        return found["level"] if found else None


def _slot(name: str, pattern: bytes, *, capitals: bool = False) -> Slot:
    words = _LISTED.upper() if capitals else _LISTED
    written = pattern.replace(b"LEVEL", b"(?P<level>" + words + b")")
    return Slot(name, re.compile(written, 0 if capitals else re.IGNORECASE))


SLOTS: Final = (
    # <34>Oct 11 22:14:15 ...: severity and facility in one number
    Slot("syslog priority", re.compile(rb"^<(?P<level>\d{1,3})>"), words=False),
    # level=error, "severity": "ERROR", lvl=eror
    _slot(
        "field",
        rb"""(?:^|[\s,{(\[|"'])(?:log\.?)?(?:level|lvl|severity|loglevel|levelname)["']?\s?[=:]\s?["']?LEVEL\b""",
    ),
    # [error], [Warning], [core:error], <Error>, [ERROR/MainProcess], [I 2611...
    _slot("brackets", rb"[\[<(](?:[a-z_0-9]{1,30}:)?\s?LEVEL\s?[\])>/]"),
    # 17/06/09 20:10:40 INFO x, - ERROR - , | WARN |: a word of its own in capitals
    _slot("capitals", rb"(?:^|[\s|\]);,:}])LEVEL(?=[\s|:;,\[(/\]]|$)", capitals=True),
    # 2016-09-28 04:30:30, Info   CBS; time: info: text
    _slot("word", rb"(?<=[\d\]Z][\s,:|])[\s|,:-]{0,8}LEVEL(?=[\s|:,;\]])"),
    # D/Tag: text, E/ActivityManager( 585): x
    Slot("letter and tag", re.compile(rb"(?:^|\s)(?P<level>[VDIWEFA])/[\w.$ -]{1,80}[:(]"), words=False),
    # 1702  2395 D WindowManager: x
    Slot(
        "letter",
        re.compile(rb"(?:\d\s{1,3}|[\])]\s?|\s\|\s)(?P<level>[TVDIWEFCSA])(?=[\s/|]\s?[\w.$<\[-])"),
        words=False,
    ),
    # [E 261125 22:59:31 app:7]; E, [2024-05-01T...; E0501 12:00:00
    Slot("first letter", re.compile(rb"^\[?(?P<level>[VDIWEF])(?:[/,\s]\s?[\w\[]|\d{4}\s)"), words=False),
    # 14612:M 25 Nov 2026 22:59:31.124 * Ready
    Slot("symbol", re.compile(rb"^(?:\d+:[XCSM]|\[\d+\]) \d.{10,26}? (?P<level>[.*#-]) "), words=False),
    # =ERROR REPORT====
    _slot("report", rb"^=LEVEL REPORT="),
)
"""In the order in which they are tried."""


def level_of(written: str | bytes | int) -> str | None:
    """The level that a word, a letter, a symbol or a number of bunyan or pino stands for; one of `NAMES`."""
    if isinstance(written, int):
        return _BY_NUMBER.get(written // 10 * 10)
    text = written.decode("latin-1") if isinstance(written, bytes) else written
    if len(text) == 1:
        return _BY_LETTER.get(text.upper()) or _BY_SYMBOL.get(text)
    if text.isdigit():
        return _BY_SYSLOG[int(text) % 8]
    return _BY_WORD.get(text.lower())


def learn(heads: Sequence[bytes]) -> Slot | None:
    """The place of the level in lines that each begin a record; None if they have none."""
    wanted = max(1.0, _ENOUGH * len(heads))
    for slot in SLOTS:
        if heads and sum(slot.find(line) is not None for line in heads) >= wanted:
            return slot
    return None


def words_of(minimum: str) -> list[str]:
    """Every word that may stand for a level or a worse one."""
    return [word for word, level in _BY_WORD.items() if RANK[level] >= RANK[minimum]]
