"""Which target depends on which: what is wrong with that, and whom a failing one hides."""

from collections.abc import Collection, Iterable, Mapping

from watchfleet.complaints import similar
from watchfleet.probes.probe import Target

Fault = tuple[str, str | None]
"""What is wrong, and how to mend it."""


def faults_of(targets: Mapping[str, Target], names: Collection[str]) -> dict[str, Fault]:
    """The targets that depend on one that there is not, or on themselves, however far round.

    Args:
        targets: The targets, by name.
        names: All names that the configuration has, also of targets that cannot be used.
    """
    found: dict[str, Fault] = {}
    for name, target in targets.items():
        unknown = next((parent for parent in target.depends_on if parent not in names), None)
        if unknown is not None:
            mend = similar(unknown, list(names)) or "`watchfleet probes list` shows all"
            found[name] = (f"depends_on: there is no target {unknown!r}", mend)
        elif (circle := _circle(name, targets)) is not None:
            found[name] = (f"depends_on goes round in a circle: {' > '.join(circle)}", "take one of them out")
    return found


def dependants(targets: Iterable[tuple[str, Collection[str]]]) -> dict[str, list[str]]:
    """Of each target that others depend on, whether directly or not, their names.

    Args:
        targets: The name of each target, and those that it depends on.
    """
    parents = dict(targets)
    found: dict[str, list[str]] = {}
    for name in sorted(parents):
        for ancestor in _ancestors(name, parents):
            found.setdefault(ancestor, []).append(name)
    return found


def _ancestors(name: str, parents: Mapping[str, Collection[str]]) -> set[str]:
    seen: set[str] = set()
    pending = [*parents.get(name, ())]
    while pending:
        one = pending.pop()
        if one not in seen:
            seen.add(one)
            pending += parents.get(one, ())
    return seen


def _circle(name: str, targets: Mapping[str, Target]) -> list[str] | None:
    """The way from a target back to itself; None if there is none."""
    pending, seen = [[name]], {name}
    while pending:
        way = pending.pop()
        for parent in targets[way[-1]].depends_on if way[-1] in targets else ():
            if parent == name:
                return [*way, name]
            if parent not in seen:
                seen.add(parent)
                pending.append([*way, parent])
    return None
