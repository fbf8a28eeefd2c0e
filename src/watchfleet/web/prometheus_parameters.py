"""The parameters of Prometheus's HTTP API, in a query string or in a form, and what is wrong with them."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from flask import request

from watchfleet import promql
from watchfleet.clock import parse_duration
from watchfleet.errors import WatchfleetError
from watchfleet.promql.catalogue import Matchers
from watchfleet.promql.listing import During
from watchfleet.promql.nodes import VectorSelector
from watchfleet.web.prometheus_alerts import Wanted

_DURATION: Final = re.compile(r"-?(\d+(\.\d+)?(ms|[smhdwy])?)+")
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_FARTHEST: Final = 2e11  # seconds, past the year 6000
_MOST_SELECTORS: Final = 100


class ApiError(WatchfleetError):
    """The request cannot be answered.

    Args:
        kind: Prometheus's error type, such as `bad_data`.
        cause: What is wrong, in its words where it has some.
    """

    def __init__(self, kind: str, cause: str) -> None:
        super().__init__(cause)
        self.kind, self.cause = kind, cause


def bad(name: str, cause: object) -> ApiError:
    """The error that a parameter is not as it should be."""
    return ApiError("bad_data", f'invalid parameter "{name}": {cause}')


def parameter(name: str) -> str:
    """The parameter, from the form if it is there; empty if it is not given."""
    return request.form.get(name) or request.args.get(name, "")


def expression() -> promql.Expression:
    """The parameter `query`.

    Raises:
        ApiError: It is no PromQL.
    """
    try:
        return promql.parse(parameter("query"))
    except promql.QueryError as error:
        raise bad("query", error) from error


def instant(name: str, default: datetime | None = None) -> datetime:
    """An instant in Unix seconds or RFC 3339.

    Raises:
        ApiError: It is neither, or it is missing and there is no default.
    """
    given = parameter(name)
    if not given and default is not None:
        return default
    found = _instant(given)
    if found is None:
        raise bad(name, f'cannot parse "{given}" to a valid timestamp')
    return found


def duration(name: str, default: timedelta | None = None) -> timedelta:
    """A span of time in seconds or as Prometheus writes it.

    Raises:
        ApiError: It is neither, or it is missing and there is no default.
    """
    given = parameter(name)
    if not given and default is not None:
        return default
    if not _DURATION.fullmatch(given):
        raise bad(name, f'cannot parse "{given}" to a valid duration')
    try:
        found = parse_duration(given.removeprefix("-"))
    except ValueError as error:
        raise bad(name, f'cannot parse "{given}" to a valid duration') from error
    return -found if given.startswith("-") else found


def whole(name: str, default: int) -> int:
    """A number that is not negative.

    Raises:
        ApiError: It is none.
    """
    given = parameter(name)
    if not given:
        return default
    if not re.fullmatch(r"\d{1,9}", given):
        raise bad(name, f'cannot parse "{given}" to a number that is not negative')
    return int(given)


def selectors() -> list[Matchers]:
    """The matchers of each `match[]`.

    Raises:
        ApiError: One is no selector, or there are too many.
    """
    given = several("match")
    if len(given) > _MOST_SELECTORS:
        raise bad("match[]", f"at most {_MOST_SELECTORS} of them are answered at once")
    return [_selector(one) for one in given]


def several(name: str) -> list[str]:
    """Each value of a parameter that may be given more than once, as `name[]`."""
    return request.form.getlist(f"{name}[]") + request.args.getlist(f"{name}[]")


def truth(name: str) -> bool:
    """A truth value; false if it is not given.

    Raises:
        ApiError: It is none.
    """
    given = parameter(name).lower()
    if given not in {"", "true", "false", "1", "0", "t", "f"}:
        raise bad(name, f'cannot parse "{given}" to a truth value')
    return given in {"true", "1", "t"}


def wanted_rules() -> Wanted:
    """Which rules are asked for.

    Raises:
        ApiError: A parameter is not as it should be.
    """
    kind = parameter("type").lower()
    if kind not in {"", "alert", "record"}:
        raise bad("type", f'not supported value "{kind}"')
    return Wanted(
        kind,
        several("rule_name"),
        several("rule_group"),
        several("file"),
        selectors(),
        not truth("exclude_alerts"),
    )


def during() -> During:
    """The span from `start` to `end`, each of which may be missing.

    Raises:
        ApiError: One is no time, or the end is before the start.
    """
    span = During(*(instant(name) if parameter(name) else None for name in ("start", "end")))
    if span.start and span.end and span.end < span.start:
        raise bad("end", "end timestamp must not be before start time")
    return span


def _selector(given: str) -> Matchers:
    try:
        root = promql.parse(given).root
    except promql.QueryError as error:
        raise bad("match[]", error) from error
    if not isinstance(root, VectorSelector):
        raise bad("match[]", f"{given!r} is no series selector")
    return root.matchers


def _instant(given: str) -> datetime | None:
    try:
        seconds = float(given)
    except ValueError:
        return _rfc3339(given)
    if math.isnan(seconds):
        return None
    # A datetime has no years before 1 and after 9999; there are no samples near either.
    return datetime.fromtimestamp(min(max(seconds, -6e10), _FARTHEST), UTC)


def _rfc3339(given: str) -> datetime | None:
    if not _RFC3339.fullmatch(given):
        return None
    try:
        return datetime.fromisoformat(given.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
