"""What several places find together."""

from datetime import UTC, datetime, timedelta

import pytest

from watchfleet.model import ProbeResult, Severity, Status
from watchfleet.probes.places import together
from watchfleet.probes.probe import Options, Target

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
PLACES = ("eu", "us", "ap")
LETTERS = {"u": Status.UP, "d": Status.DOWN, "s": Status.DEGRADED, "?": Status.UNKNOWN}


def target(quorum: int) -> Target:
    ten = timedelta(seconds=10)
    return Target(
        "shop", "http", ten, ten, None, {}, Severity.CRITICAL, False, False, Options(),
        locations=PLACES, quorum=quorum,
    )  # fmt: skip


def results(letters: str) -> dict[str, ProbeResult]:
    """What each place found, a letter each; a blank did not report."""
    return {
        place: ProbeResult("shop", LETTERS[letter], "" if letter == "u" else "timeout", 0.1 * number, AT)
        for number, (place, letter) in enumerate(zip(PLACES, letters, strict=True))
        if letter != " "
    }


@pytest.mark.parametrize(
    ("letters", "quorum", "status"),
    [
        ("uuu", 2, "up"),
        ("udu", 2, "up"),
        ("udd", 2, "down"),
        ("ddd", 2, "down"),
        ("udu", 1, "down"),
        ("udd", 3, "up"),
        ("ddd", 3, "down"),
        ("u? ", 2, "unknown"),
        ("uu ", 2, "up"),
        ("d u", 2, "unknown"),
        ("dd ", 2, "down"),
        ("d  ", 1, "down"),
        ("???", 2, "unknown"),
        ("sus", 2, "degraded"),
        ("suu", 2, "up"),
    ],
)
def test_a_quorum_decides(letters: str, quorum: int, status: str) -> None:
    assert together(target(quorum), results(letters)).status == status


def test_it_is_told_where_and_why_it_is_down() -> None:
    down = together(target(2), results("udd"))
    assert (down.reason, down.detail) == ("timeout", "down in 2 of 3 places: ap (timeout), us (timeout)")
    assert together(target(2), results("uud")).detail == "down in 1 of 3 places: ap (timeout)"
    assert together(target(2), results("u  ")).detail == "no word from us, ap"
