"""Rules by the name that people call them."""

from collections.abc import Sequence

from watchfleet.complaints import similar
from watchfleet.errors import WatchfleetError
from watchfleet.rules.library import Library
from watchfleet.rules.model import Rule


class UnknownRuleError(WatchfleetError):
    """There is no rule of that name."""


def named(library: Library, name: str) -> list[Rule]:
    """The rules that are called so, by their name alone or as `group/name`; at least one.

    Raises:
        UnknownRuleError: There is none.
    """
    found = [
        rule
        for _, group in library.groups
        for rule in group.rules
        if name in {rule.name, f"{group.name}/{rule.name}"}
    ]
    if not found:
        known = sorted({rule.name for _, group in library.groups for rule in group.rules})
        raise UnknownRuleError(f"there is no rule {name!r} ({_mend(name, known)})")
    return found


def _mend(name: str, known: Sequence[str]) -> str:
    return similar(name, known) or "`watchfleet rules list` shows them"
