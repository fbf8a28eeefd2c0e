"""The forms of Alertmanager's API: alerts and silences as JSON, and back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from watchfleet.errors import WatchfleetError
from watchfleet.notify import matchers as matching
from watchfleet.notify.incoming import Alert, named
from watchfleet.notify.matchers import Matcher
from watchfleet.notify.overview import Seen
from watchfleet.notify.silences import Silence, SilenceState
from watchfleet.patterns import PatternError, compile_pattern

NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)
"""Go's zero time: what a client sends that has none."""
LONGEST_TEXT: Final = 100_000
_ORDER: Final = {SilenceState.ACTIVE: 0, SilenceState.PENDING: 1, SilenceState.EXPIRED: 2}


class FormError(WatchfleetError):
    """A request is not as it should be."""


def instant(at: datetime) -> str:
    """A time as Alertmanager writes it: RFC 3339 with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_instant(value: Any, name: str) -> datetime | None:
    """A time of RFC 3339; None if there is none, or Go's zero time.

    Raises:
        FormError: It is none.
    """
    if value is None or value == "":
        return None
    try:
        found = datetime.fromisoformat(str(value))
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return None if found.astimezone(UTC) == NEVER else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise FormError(f"{name}: {value!r} is no time; write it like 2026-11-25T12:00:00Z") from error


def boolean(name: str, value: str | None) -> bool:
    """A query's yes or no; yes if it says nothing.

    Raises:
        FormError: It is neither.
    """
    if value is None or value.lower() in {"true", "1", "t"}:
        return True
    if value.lower() in {"false", "0", "f"}:
        return False
    raise FormError(f"{name}: {value!r} is neither true nor false")


def matchers(texts: Iterable[str]) -> tuple[Matcher, ...]:
    """The matchers of a query.

    Raises:
        FormError: One cannot be read.
    """
    try:
        return tuple(one for text in texts for one in matching.parse(text))
    except ValueError as error:
        raise FormError(f"bad matcher format: {error}") from error


def pattern(text: str) -> Any:
    """A compiled pattern for whole names; None for none.

    Raises:
        FormError: It is not one that RE2 takes.
    """
    try:
        return compile_pattern(text) if text else None
    except PatternError as error:
        raise FormError(f"failed to parse receiver param: {error}") from error


def read_alerts(body: Any, resolve_timeout: timedelta, now: datetime) -> tuple[list[Alert], list[str]]:
    """The alerts of a request that are valid, and what is wrong with the others.

    Raises:
        FormError: The body is no list.
    """
    if not isinstance(body, list):
        raise FormError("the body is no list of alerts")
    taken, faults = [], []
    for number, raw in enumerate(body):
        try:
            taken.append(_read_alert(raw, resolve_timeout, now))
        except FormError as error:
            faults.append(f"alert {number}: {error}")
    return taken, faults


def _read_alert(raw: Any, resolve_timeout: timedelta, now: datetime) -> Alert:
    """One alert, its times completed as Alertmanager does (`api/v2`, `postAlertsHandler`)."""
    if not isinstance(raw, dict):
        raise FormError("is no mapping")
    labels, name = named(_texts(raw.get("labels"), "labels"))
    if not labels:
        raise FormError("at least one label pair required")
    starts, ends = read_instant(raw.get("startsAt"), "startsAt"), read_instant(raw.get("endsAt"), "endsAt")
    starts_at = starts or ends or now
    if ends is not None and ends < starts_at:
        raise FormError("start time must be before end time")
    return Alert(
        fingerprint=name,
        labels=labels,
        annotations=_texts(raw.get("annotations"), "annotations"),
        starts_at=starts_at,
        ends_at=ends or now + resolve_timeout,
        updated_at=now,
        expires=ends is None,
        generator_url=str(raw.get("generatorURL") or ""),
    )


def _texts(raw: Any, what: str) -> dict[str, str]:
    if raw is None:
        return {}
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
        raise FormError(f"{what}: write a mapping of texts")
    if any(not name or len(name) > LONGEST_TEXT for name in raw):
        raise FormError(f"{what}: a name is empty or too long")
    return raw


def alert(seen: Seen, resolve_timeout: timedelta, now: datetime) -> dict[str, Any]:
    """A gettableAlert."""
    one = seen.alert
    return {
        "labels": dict(one.labels),
        "annotations": dict(one.annotations),
        "startsAt": instant(one.starts_at),
        "endsAt": instant(one.ends_at or now + resolve_timeout),
        "updatedAt": instant(one.updated_at),
        "fingerprint": one.fingerprint,
        "generatorURL": one.generator_url,
        "receivers": [{"name": name} for name in seen.receivers],
        "status": {
            "state": "suppressed" if seen.block.reason else "active",
            "silencedBy": list(seen.block.silenced_by),
            "inhibitedBy": list(seen.block.inhibited_by),
        },
    }


def read_silence(body: Any) -> Silence:
    """A postableSilence.

    Raises:
        FormError: It is none.
    """
    if not isinstance(body, dict):
        raise FormError("the body is no silence")
    starts, ends = (read_instant(body.get(name), name) for name in ("startsAt", "endsAt"))
    if starts is None or ends is None:
        raise FormError("startsAt and endsAt are required")
    return Silence(
        id=_uuid(body.get("id")),
        matchers=_read_matchers(body.get("matchers")),
        starts_at=starts,
        ends_at=ends,
        created_by=_text(body, "createdBy"),
        comment=_text(body, "comment"),
    )


def _read_matchers(raw: Any) -> tuple[Matcher, ...]:
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise FormError("matchers: write a list of mappings")
    try:
        return tuple(matching.matcher(*_condition(one)) for one in raw)
    except ValueError as error:
        raise FormError(f"invalid matcher: {error}") from error


def _condition(raw: Mapping[str, Any]) -> tuple[str, str, str]:
    equal, regex = raw.get("isEqual", True), raw.get("isRegex", False)
    operators = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
    if equal is None:
        equal = True
    if (equal, regex) not in operators:
        raise FormError("isEqual and isRegex are true or false")
    name, value = raw.get("name"), raw.get("value")
    if not isinstance(name, str) or not isinstance(value, str):
        raise FormError("a matcher has a name and a value")
    return name, operators[equal, regex], value


def _uuid(raw: Any) -> UUID | None:
    if not raw:
        return None
    try:
        return UUID(str(raw))
    except ValueError as error:
        raise FormError(f"id: {raw!r} is no silence's id") from error


def _text(body: Mapping[str, Any], name: str) -> str:
    found = body.get(name)
    if not isinstance(found, str):
        raise FormError(f"{name} is required")
    return found.replace("\x00", "")[:LONGEST_TEXT]


def silence(one: Silence, now: datetime) -> dict[str, Any]:
    """A gettableSilence."""
    return {
        "id": str(one.id),
        "matchers": [
            {
                "name": each.name,
                "value": each.value,
                "isRegex": each.op in {"=~", "!~"},
                "isEqual": each.op in {"=", "=~"},
            }
            for each in one.matchers
        ],
        "startsAt": instant(one.starts_at),
        "endsAt": instant(one.ends_at),
        "updatedAt": instant(one.updated_at or one.starts_at),
        "createdBy": one.created_by,
        "comment": one.comment,
        "status": {"state": str(one.state(now))},
    }


def in_order(found: Sequence[Silence], now: datetime) -> list[Silence]:
    """Silences in Alertmanager's order: active ones by their end, pending by their start, then the others."""

    def key(one: Silence) -> tuple[int, float]:
        state = one.state(now)
        times = {
            SilenceState.ACTIVE: one.ends_at.timestamp(),
            SilenceState.PENDING: one.starts_at.timestamp(),
            SilenceState.EXPIRED: -one.ends_at.timestamp(),
        }
        return _ORDER[state], times[state]

    return sorted(found, key=key)


def is_about(one: Silence, wanted: Iterable[Matcher]) -> bool:
    """Whether a silence's matchers have values that these match (`CheckSilenceMatchesFilterLabels`)."""
    values = {each.name: each.value for each in one.matchers}
    return all(each.name in values and each.matches(values[each.name]) for each in wanted)
