"""Times by Go's layouts, which show how the instant Mon Jan 2 15:04:05 2006 would be written."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

_PARTS: Final[Mapping[str, Callable[[datetime], str]]] = {
    "January": lambda at: at.strftime("%B"),
    "Jan": lambda at: at.strftime("%b"),
    "Monday": lambda at: at.strftime("%A"),
    "Mon": lambda at: at.strftime("%a"),
    "MST": lambda at: at.strftime("%Z"),
    "2006": lambda at: f"{at.year:04d}",
    "-07:00": "+00:00".format,
    "-0700": "+0000".format,
    "-07": "+00".format,
    "Z07:00": "Z".format,
    "Z0700": "Z".format,
    "002": lambda at: f"{at.timetuple().tm_yday:03d}",
    "01": lambda at: f"{at.month:02d}",
    "02": lambda at: f"{at.day:02d}",
    "03": lambda at: f"{at.hour % 12 or 12:02d}",
    "04": lambda at: f"{at.minute:02d}",
    "05": lambda at: f"{at.second:02d}",
    "06": lambda at: f"{at.year % 100:02d}",
    "15": lambda at: f"{at.hour:02d}",
    "PM": lambda at: "PM" if at.hour >= 12 else "AM",
    "pm": lambda at: "pm" if at.hour >= 12 else "am",
    "_2": lambda at: f"{at.day:2d}",
    "1": lambda at: str(at.month),
    "2": lambda at: str(at.day),
    "3": lambda at: str(at.hour % 12 or 12),
    "4": lambda at: str(at.minute),
    "5": lambda at: str(at.second),
}
_PART: Final = re.compile(
    "|".join([r"(?P<fraction>[.,](?:0+|9+)(?!\d))", *map(re.escape, sorted(_PARTS, key=len, reverse=True))])
)


def format_layout(at: datetime, layout: str) -> str:
    """The time in the form of the layout.

    Args:
        at: A time in UTC.
        layout: Such as `2006-01-02 15:04:05`.
    """
    return _PART.sub(
        lambda found: _fraction(at, found[0]) if found["fraction"] else _PARTS[found[0]](at), layout
    )


def _fraction(at: datetime, part: str) -> str:
    digits = f"{at.microsecond * 1000:09d}"[: len(part) - 1].ljust(len(part) - 1, "0")
    if part[1] == "9":
        digits = digits.rstrip("0")
    return part[0] + digits if digits else ""
