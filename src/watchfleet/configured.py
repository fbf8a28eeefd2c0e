"""What is made of the settings, once a process: targets, jobs that scrape, budgets."""

import logging
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from watchfleet.errors import ConfigError
from watchfleet.settings import Settings, get_settings, read_config
from watchfleet.yamlfile import Document

logger = logging.getLogger(__name__)


class Checked(Protocol):
    """What can be used of a list in the configuration, and what is wrong with the rest."""

    @property
    def problems(self) -> Sequence[ConfigError]:
        """One error for each fault."""


T = TypeVar("T", bound=Checked)


class Configured(Generic[T]):
    """Reads it at the first call, and anew for other settings; faults are logged then.

    Args:
        load: Makes it of settings and the file that they are from.
        consequence: What a fault comes to, such as `this target is not probed`.
    """

    def __init__(self, load: Callable[[Settings, Document | None], T], consequence: str) -> None:
        self._load, self._consequence = load, consequence
        self._known: tuple[Settings, T] | None = None

    def __call__(self) -> T:
        """That of this process's settings."""
        settings = get_settings()
        if self._known is None or self._known[0] is not settings:
            found = self._load(settings, read_config())
            for fault in self._told(found):
                logger.error("%s", fault)
            self._known = settings, found
        return self._known[1]

    def faults(self) -> list[str]:
        """What is wrong with it at present, and what that comes to; logs nothing."""
        return self._told(self._load(get_settings(), read_config()))

    def _told(self, found: T) -> list[str]:
        return [f"{problem}; {self._consequence}" for problem in found.problems]
