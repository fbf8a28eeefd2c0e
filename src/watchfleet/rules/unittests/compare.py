"""What was expected beside what came out, as promtool compares and shows them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from watchfleet.promql.format import format_short
from watchfleet.promql.labels import Labels, format_labels
from watchfleet.rules.engine import ALERT_NAME, Instance
from watchfleet.rules.unittests.cases import AlertCase

Pairs = tuple[tuple[str, str], ...]
Sample = tuple[Labels, float]


def alerts_differ(case: AlertCase, got: Iterable[Instance]) -> tuple[str, str] | None:
    """What should fire and what does, as texts; None if they are the same."""
    wanted = sorted(
        (_pairs({**alert.labels, ALERT_NAME: case.alert}), _pairs(alert.annotations))
        for alert in case.expected
    )
    found = sorted((_pairs(alert.labels), _pairs(alert.annotations)) for alert in got)
    return None if wanted == found else (_alerts(wanted), _alerts(found))


def samples_differ(
    expected: Iterable[Sample], got: Iterable[Sample], *, fuzzy: bool
) -> tuple[str, str] | None:
    """What an expression should come to and what it does, as texts; None if they are the same."""
    wanted, found = sorted(expected, key=_by_labels), sorted(got, key=_by_labels)
    same = len(wanted) == len(found) and all(
        one[0] == other[0] and _equal(one[1], other[1], fuzzy=fuzzy)
        for one, other in zip(wanted, found, strict=True)
    )
    return None if same else (_samples(wanted), _samples(found))


def _by_labels(sample: Sample) -> Labels:
    return sample[0]


def _pairs(labels: Mapping[str, str]) -> Pairs:
    return tuple(sorted(labels.items()))


def _equal(one: float, other: float, *, fuzzy: bool) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    if fuzzy:
        return math.nextafter(one, -math.inf) <= other <= math.nextafter(one, math.inf)
    return one == other


def _alerts(alerts: Sequence[tuple[Pairs, Pairs]]) -> str:
    if not alerts:
        return "[]"
    shown = (
        f"{place}:\n  Labels:{format_labels(labels)}\n  Annotations:{format_labels(annotations)}"
        for place, (labels, annotations) in enumerate(alerts)
    )
    return "[\n" + ",\n".join(shown) + "\n]"


def _samples(samples: Sequence[Sample]) -> str:
    return ", ".join(f"{format_labels(labels)} {_exact(value)}" for labels, value in samples) or "nil"


def _exact(value: float) -> str:
    """A number with all its digits and an exponent: `1.5E+00`."""
    if not math.isfinite(value):
        return format_short(value)
    sign, digits, _ = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    exponent = Decimal(repr(value)).adjusted() if value else 0
    fraction = f".{text[1:]}" if text[1:] else ""
    return f"{'-' if sign else ''}{text[0]}{fraction}E{exponent:+03d}"
