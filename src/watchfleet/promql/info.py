"""`info()`: series with labels from the info metrics of the same instance and job."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.promql.errors import QueryError
from watchfleet.promql.frame import Frame, empty, merged
from watchfleet.promql.labels import NAME, Labels, drop, format_labels, keep, value_of
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.series import Bools, Ints, SeriesSet

IDENTIFYING: Final = ("instance", "job")
_DEFAULT: Final = Matcher(NAME, "=", "target_info")
_ANY_INFO: Final = Matcher(NAME, "=~", ".+_info")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which info metrics to use, and which of their labels.

    Attributes:
        names: Conditions on the info metrics' names.
        labels: Conditions on their labels; if there are any, only these labels are taken.
    """

    names: tuple[Matcher, ...]
    labels: tuple[Matcher, ...]

    @property
    def matchers(self) -> tuple[Matcher, ...]:
        """What selects the info series."""
        return (*self.names, *self.labels)


def wanted(matchers: Iterable[Matcher]) -> Wanted:
    """What the second argument of `info()` asks for.

    That is target_info unless it names metrics, and any info metric if it only names some to leave out.
    """
    matchers = tuple(matchers)
    names = tuple(matcher for matcher in matchers if matcher.name == NAME)
    labels = tuple(matcher for matcher in matchers if matcher.name != NAME)
    if names and all(matcher.op in {"!=", "!~"} for matcher in names):
        names = (_ANY_INFO, *names)
    return Wanted(names or (_DEFAULT,), labels)


@dataclass(frozen=True, slots=True, eq=False)
class _Infos:
    """Info series at one time.

    Attributes:
        labels: Their label sets.
        present: Which have a value.
        sampled: When that was sampled.
        alike: Their places by the labels that tell what they are about, then by metric.
    """

    labels: tuple[Labels, ...]
    present: Bools
    sampled: Ints
    alike: dict[Labels, dict[str, list[int]]]


def enriched(frame: Frame, infos: Frame, sampled: Ints, want: Wanted) -> Frame:
    """The vector with the info series' labels.

    Args:
        frame: The vector.
        infos: The info series.
        sampled: When each of their values was sampled; the newest wins.
        want: Which labels to take.

    Raises:
        QueryError: Two info series contradict each other.
    """
    steps = frame.values.shape[1]
    rows: dict[tuple[int, Labels], Bools] = {}
    alike = _alike(infos.series.labels)
    for step in range(steps):
        now = _Infos(infos.series.labels, infos.present[:, step], sampled[:, step], alike)
        for row in np.flatnonzero(frame.present[:, step]).tolist():
            result = _result(frame.series.labels[row], now, want)
            if result is not None:
                rows.setdefault((row, result), np.zeros(steps, bool))[step] = True
    if not rows:
        return empty(steps)
    places = np.array([row for row, _ in rows])
    series = SeriesSet(labels for _, labels in rows)
    return merged(Frame(series, frame.values[places], np.array(list(rows.values())), frame.nameless[places]))


def _alike(series: tuple[Labels, ...]) -> dict[Labels, dict[str, list[int]]]:
    found: dict[Labels, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, labels in enumerate(series):
        found[keep(labels, IDENTIFYING)][value_of(labels, NAME)].append(row)
    return found


def _result(labels: Labels, infos: _Infos, want: Wanted) -> Labels | None:
    """A series' labels; None if it lacks an info series that the conditions ask for."""
    if all(matcher.matches(value_of(labels, NAME)) for matcher in want.names):
        return labels
    identity = keep(labels, IDENTIFYING)
    added: dict[str, str] = {}
    found = False
    for rows in infos.alike.get(identity, {}).values() if identity else ():
        newest = _newest([row for row in rows if infos.present[row]], infos)
        if newest is not None:
            found = True
            _add(added, newest, labels, want)
    if not found and not all(matcher.matches("") for matcher in want.labels):
        return None
    return tuple(sorted((*labels, *added.items())))


def _newest(rows: list[int], infos: _Infos) -> Labels | None:
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: int(infos.sampled[row]))
    newest, at = infos.labels[ordered[-1]], int(infos.sampled[ordered[-1]])
    if len(ordered) > 1 and at == infos.sampled[ordered[-2]]:
        raise QueryError(
            f"found duplicate series for info metric: existing {format_labels(infos.labels[ordered[-2]])} "
            f"@ {at}, new {format_labels(newest)} @ {at}"
        )
    return newest


def _add(added: dict[str, str], info: Labels, base: Labels, want: Wanted) -> None:
    asked = {matcher.name for matcher in want.labels}
    present = {name for name, _ in base}
    for name, value in drop(info, (NAME,)):
        if asked and name not in asked:
            continue
        if added.get(name, value) != value:
            raise QueryError(f"conflicting label: {name}")
        if name not in present:
            added[name] = value
