"""Why a question about a series has no answer, in words that programs can compare."""

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why there is no answer."""

    TOO_FEW_POINTS = "too_few_points"
    HISTORY_TOO_SHORT = "history_too_short"
    NOTHING_BEFORE = "nothing_before"
    NO_PAST_WEEKS = "no_past_weeks"


class Unknown(NamedTuple):
    """No answer, and why; every other type that a function returns is an answer."""

    reason: Reason
