"""How bad a record is: the words and letters that logs use, on one scale.

A word says the level only where it has its own place in the line. That place is learnt from a sample: what
stands in nearly every line is a level, and an `error:` in some messages is not.
"""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

NAMES: Final = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL")
"""The levels, from the least to the worst."""
RANK: Final = {name: rank for rank, name in enumerate(NAMES)}
_WORDS: Final = {
    "TRACE": "trace trc finest finer silly ddebug subdebug",
    "DEBUG": "debug dbg debu fine verbose verb vrb debug1 debug2 debug3 debug4 debug5 config test",
    "INFO": "info inf information informational log statement detail hint context "
    "success http system default",
    "NOTICE": "notice note notif",
    "WARNING": "warning warn wrn warni deprecated",
    "ERROR": "error err eror severe failure fail parse.error",
    "CRITICAL": "critical crit fatal ftl emergency emerg alert panic dpanic crt fatal.error",
}
_BY_WORD: Final = {word.replace(".", " "): level for level, words in _WORDS.items() for word in words.split()}
_ALONE: Final = frozenset({"system", "default", "test"})
_ALSO_PLAIN: Final = _ALONE | {
    "fine", "config", "log", "statement", "detail", "hint", "context", "note", "failure",
}  # fmt: skip
"""Words that mean something else as often; they count only where nothing but a level stands."""
_BY_LETTER: Final = {
    "T": "TRACE", "V": "TRACE", "D": "DEBUG", "I": "INFO", "N": "NOTICE", "W": "WARNING", "E": "ERROR",
    "F": "CRITICAL", "C": "CRITICAL", "A": "CRITICAL", "S": "CRITICAL",
}  # fmt: skip
_BY_SYMBOL: Final = {".": "DEBUG", "-": "INFO", "*": "NOTICE", "#": "WARNING"}
_BY_SYSLOG: Final = ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
_BY_NUMBER: Final = {10: "TRACE", 20: "DEBUG", 30: "INFO", 40: "WARNING", 50: "ERROR", 60: "CRITICAL"}
_BY_HUNDREDS: Final = {
    100: "DEBUG", 200: "INFO", 250: "NOTICE", 300: "WARNING", 400: "ERROR",
    500: "CRITICAL", 550: "CRITICAL", 600: "CRITICAL",
}  # fmt: skip
_BY_THOUSANDS: Final = {5000: "TRACE", 10000: "DEBUG", 20000: "INFO", 30000: "WARNING", 40000: "ERROR"}
_MOST_CHARACTERS: Final = 240
_ENOUGH: Final = 0.9
_MOST: Final = 0.6
"""The share that is enough where nothing but a level stands: the others may be words of the log's own."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in which a level may stand.

    Attributes:
        name: For people.
        pattern: Finds it, as the group `level`; applied to the line up to a bound.
        words: Whether the level is a word, so that lines of a level are found in a block by their words.
        sure: Whether nothing but a level stands there.
    """

    name: str
    pattern: re.Pattern[bytes]
    words: bool = True
    sure: bool = False

    def find(self, line: bytes) -> bytes | None:
        """The level as it is written; None if there is none in its place."""
        found = self.pattern.search(line, 0, _MOST_CHARACTERS)
        return found["level"] if found else None


def _slot(
    name: str, pattern: bytes, *, capitals: bool = False, sure: bool = True, but: Set[str] = _ALONE
) -> Slot:
    """A place for words, those of `but` and the name of a protocol not among them."""
    listed = "|".join(sorted(_BY_WORD.keys() - but - {"http"}, key=len, reverse=True)).encode()
    written = pattern.replace(b"LEVEL", b"(?P<level>" + (listed.upper() if capitals else listed) + b")")
    return Slot(name, re.compile(written, 0 if capitals else re.IGNORECASE), sure=sure)


SLOTS: Final = (
    # <34>Oct 11 22:14:15 ...: severity and facility in one number; in a stream, after the message's length
    Slot("syslog priority", re.compile(rb"^(?:\d{1,5} )?<(?P<level>\d{1,3})>"), words=False, sure=True),
    # %ASA-4-106023: x, %LINK-3-UPDOWN: x
    Slot("mnemonic", re.compile(rb"%[A-Z]\w*(?:-[A-Z]\w*)*-(?P<level>[0-7])-\w+:"), words=False, sure=True),
    # level=error, "severity": "ERROR", lvl=eror
    _slot(
        "field",
        rb"""(?:^|[\s,{(\[|"'])(?:log[._]?|@)?(?:level|lvl|severity|levelname)["']?\s?[=:]\s?["']?LEVEL\b""",
        but=frozenset(),
    ),
    # [error], [Warning], [core:error], <Error>, [ERROR/MainProcess], [main thread/INFO], [info     ]
    _slot("brackets", rb"[\[<(](?:[a-z_0-9 .#-]{0,40}[:/#])?\s{0,9}LEVEL\s{0,9}[\])>/]", but=frozenset()),
    # 17/06/09 20:10:40 INFO x, - ERROR - , | WARN |: a word of its own in capitals
    _slot("capitals", rb"(?:^|[\s|\]);,:}\"])LEVEL(?=[\s|:;,\[(/\]\"]|$)", capitals=True),
    # 2016-09-28 04:30:30, Info   CBS; time: info: text; 5/13/2024 1:02:03 PM Error x
    _slot(
        "word",
        rb"(?:(?<=[\d\]Z][\s,:|])|(?<=[ap]m\s)|(?<=UTC\s))[\s|,:-]{0,8}LEVEL(?=[\s|:,;\]])",
        sure=False,
    ),
    # info: Microsoft.Hosting.Lifetime[14]; Error<tab>5/13/2024 1:02:03 PM; Error,13/05/2024 13:02:03
    _slot("first", rb"^LEVEL(?=:\s|[\t,;]|\s{1,8}[\d\[(])"),
    # D/Tag: text, E/ActivityManager( 585): x
    Slot("letter and tag", re.compile(rb"(?:^|\s)(?P<level>[VDIWEFA])/[\w.$ -]{1,80}[:(]"), words=False),
    # 1702  2395 D WindowManager: x; 13:02:03Z I! x; 13:02:03 I | x
    Slot(
        "letter",
        re.compile(rb"(?:\dZ?:?\s{1,3}|[\])]\s?|\s\|\s)(?P<level>[TVDIWEFCSA])(?=[\s/|!]\s?[\w.$<\[|-])"),
        words=False,
    ),
    # [E 261125 22:59:31 app:7]; E, [2024-05-01T...
    Slot("first letter", re.compile(rb"^\[?\s?(?P<level>[VDIWENF])[/,\s]\s?[\w\[]"), words=False),
    # E0501 12:00:00, I20240501 12:00:00
    Slot("letter and date", re.compile(rb"(?:^|\s)(?P<level>[VDIWEF])\d{4,8} \d\d:\d\d:"), words=False),
    # 14612:M 25 Nov 2026 22:59:31.124 * Ready
    Slot("symbol", re.compile(rb"^(?:\d+:[XCSM]|\[\d+\]) \d.{10,26}? (?P<level>[.*#-]) "), words=False),
    # =ERROR REPORT====
    _slot("report", rb"^=LEVEL REPORT="),
    # production.ERROR: x, daemon.err named[1]: x
    _slot("facility", rb"(?:^|\s)[a-z_][\w-]{0,30}\.LEVEL(?=[\s:])", sure=False, but=_ALSO_PLAIN),
    # 0x1a2b     Error     0x0
    _slot("column", rb"(?:\s\s|\t)LEVEL(?=\s\s|\t)", sure=False, but=frozenset()),
    # imap-login: Info: x, kern  :info  : x, system,error,x, PHP Warning:  x, corosync notice  [TOTEM ] x
    _slot("between marks", rb"[\s|,:;]LEVEL(?:\s{0,9}[|,:;]|\s\s)", sure=False, but=_ALSO_PLAIN),
)
"""In the order in which they are tried."""


def level_of(written: str | bytes | int) -> str | None:
    """The level that a word, a letter, a symbol or a number of bunyan or pino stands for; one of `NAMES`."""
    if isinstance(written, int):
        return _of_number(written)
    text = written.decode("latin-1") if isinstance(written, bytes) else written
    if text.isdigit():
        return _BY_SYSLOG[int(text) % 8]
    if len(text) == 1:
        return _BY_LETTER.get(text.upper()) or _BY_SYMBOL.get(text)
    return _BY_WORD.get(text.lower()) or _of_step(text)


def _of_number(number: int) -> str | None:
    """By syslog's scale below ten, by that of pino, monolog (hundreds) or logback (thousands) above."""
    if 0 <= number < len(_BY_SYSLOG):
        return _BY_SYSLOG[number]
    if 100 <= number < 1000:
        return _BY_HUNDREDS.get(number // 50 * 50)
    if number >= 1000:
        return _BY_THOUSANDS.get(number)
    return _BY_NUMBER.get(number // 10 * 10)


def _of_step(text: str) -> str | None:
    """Of a step from a level, such as `DEBUG-4` or `D1`, that level."""
    name = text.rstrip("0123456789")
    return level_of(name.rstrip("+-")) if name != text and name else None


def learn(heads: Sequence[bytes]) -> Slot | None:
    """The place of the level in lines that each begin a record; None if they have none."""
    partly = None
    for slot in SLOTS:
        share = sum(slot.find(line) is not None for line in heads) / max(1, len(heads))
        if share >= _ENOUGH:
            return slot
        if partly is None and slot.sure and share >= _MOST:
            partly = slot
    return partly


def words_of(minimum: str) -> list[str]:
    """Every word that may stand for a level or a worse one."""
    return [word for word, level in _BY_WORD.items() if RANK[level] >= RANK[minimum]]
