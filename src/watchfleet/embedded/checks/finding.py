"""What a check is given, and what it finds."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from watchfleet.embedded.directory import DataDirectory, is_claimed
from watchfleet.embedded.environment import addresses
from watchfleet.embedded.state import State
from watchfleet.errors import WatchfleetError
from watchfleet.settings import Settings, get_settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `watchfleet doctor`.

    Attributes:
        check: What was looked at.
        level: `fail` keeps the fleet from working, `warn` may do so later.
        text: What was found.
        mend: What to do about it; empty when all is well.
    """

    check: str
    level: Literal["ok", "warn", "fail"]
    text: str
    mend: str = ""


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", text)


def warn(check: str, text: str, mend: str) -> Finding:
    """This works, and may not for long."""
    return Finding(check, "warn", text, mend)


def fail(check: str, text: str, mend: str = "") -> Finding:
    """This keeps the fleet from working."""
    return Finding(check, "fail", text, mend)


class Setup:
    """What is examined. What cannot be had is None, and one check says why.

    Args:
        directory: The data directory, which need not exist.
        root: The fleet's root, or None if there is none.
    """

    def __init__(self, directory: DataDirectory, root: Path | None) -> None:
        self.directory, self.root = directory, root

    @cached_property
    def settings(self) -> Settings | None:
        """The settings, unless they cannot be used."""
        try:
            return get_settings()
        except WatchfleetError:
            return None

    @cached_property
    def state(self) -> State | None:
        """What the data directory remembers, unless it cannot be used."""
        try:
            return State.load(self.directory)
        except WatchfleetError:
            return None

    @cached_property
    def runs(self) -> bool:
        """Whether a fleet runs in the data directory."""
        try:
            return is_claimed(self.directory)
        except WatchfleetError:
            return False

    @cached_property
    def urls(self) -> dict[str, str]:
        """The address of each server that answers, or should: given ones, and embedded ones that run."""
        if self.settings is None:
            return {}
        given = {
            "DATABASE_URL": self.settings.database_url,
            "BROKER_URL": self.settings.broker_url,
            "REDIS_URL": self.settings.redis_url,
        }
        found = {name: url.get_secret_value() for name, url in given.items() if url}
        if self.runs and self.state:
            found |= addresses(self.settings, self.state)
        return found
