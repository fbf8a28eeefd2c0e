"""`watchfleet breakers`: how circuit breakers stand, and what an operator decides about them."""

import difflib
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
from redis import Redis, RedisError
from rich.markup import escape

from watchfleet.breaker import control, statistics
from watchfleet.breaker.states import State
from watchfleet.breaker.statistics import Statistics
from watchfleet.cli._console import make_console, print_table
from watchfleet.cli._times import at
from watchfleet.clock import format_duration
from watchfleet.db.cache import open_cache
from watchfleet.db.engine import server_clock, transaction
from watchfleet.errors import FleetError
from watchfleet.notify import circuits
from watchfleet.redact import redact

T = TypeVar("T")

_TIMEOUT = 5.0
_COLUMNS = ["NAME", "USED BY", "STATE", "SINCE", "CALLS", "FAILED %", "SLOW %", "REFUSED", "NEXT TRIAL"]


@click.group()
def breakers() -> None:
    """How circuit breakers stand; open, disable or reset one.

    \b
    Examples:
      watchfleet breakers list
      watchfleet breakers force-open payments
      watchfleet breakers reset payments
    """


@breakers.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def list_(*, as_json: bool) -> None:
    """List every breaker that was used within a day, with its window's rates.

    Applications have breakers, each target that is probed has one of its name, and each destination of
    notifications has one whose name begins with `channel:`. Exits 1 if not all of them are known.

    \b
    Examples:
      watchfleet breakers list
      watchfleet breakers list --json
    """
    found, faults = _found()
    for one in found if as_json else ():
        click.echo(json.dumps(_answer(one)))
    if not as_json:
        print_table(make_console(), _COLUMNS, [_line(one) for one in found], right=_COLUMNS[4:8])
    for fault in faults:
        click.echo(f"watchfleet: {fault}", err=True)
    sys.exit(1 if faults else 0)


@breakers.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def show(name: str, *, as_json: bool) -> None:
    """Show how the breaker NAME stands and its last changes of state.

    \b
    Examples:
      watchfleet breakers show payments
      watchfleet breakers show payments --json
    """
    one = _known(_of_channels() if _is_channel(name) else _of_redis(), name)
    told = [] if _is_channel(name) else _with_redis(lambda redis: _transitions(redis, name))
    if as_json:
        click.echo(json.dumps({**_answer(one), "transitions": told}))
        return
    for key, value in _answer(one).items():
        click.echo(f"{key}: {json.dumps(value)}")
    for change in told:
        click.echo(f"{change['at']}  {change['from']} -> {change['to']}  {change['reason']}")


@breakers.command("force-open")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def force_open(names: tuple[str, ...]) -> None:
    """Have the breakers NAME refuse every call until they are reset.

    \b
    Examples:
      watchfleet breakers force-open payments
      watchfleet breakers force-open channel:slack/default
    """
    _decide(names, State.FORCED_OPEN)


@breakers.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def disable(names: tuple[str, ...]) -> None:
    """Have the breakers NAME permit every call and count none until they are reset.

    \b
    Examples:
      watchfleet breakers disable payments
    """
    _decide(names, State.DISABLED)


@breakers.command("metrics-only")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def metrics_only(names: tuple[str, ...]) -> None:
    """Have the breakers NAME permit and count every call until they are reset.

    \b
    Examples:
      watchfleet breakers metrics-only payments
    """
    _decide(names, State.METRICS_ONLY)


@breakers.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def reset(names: tuple[str, ...]) -> None:
    """Close the breakers NAME, with an empty window and the shortest wait.

    \b
    Examples:
      watchfleet breakers reset payments
      watchfleet breakers reset payments shipping
    """
    _decide(names, State.CLOSED)


def _decide(names: tuple[str, ...], state: State) -> None:
    """Decide about each; exits 1 if one is unknown, and changes the others all the same."""
    failed = False
    for name in names:
        try:
            before = _change(name, state)
        except _UndecidedError as error:
            click.echo(f"watchfleet: {error}", err=True)
            failed = True
        else:
            click.echo(f"{name}: {before} -> {state}")
    sys.exit(1 if failed else 0)


class _UndecidedError(FleetError):
    """There is no such breaker, or this cannot be decided about it."""


def _change(name: str, state: State) -> State:
    if not _is_channel(name):
        return _with_redis(lambda redis: _change_shared(redis, name, state))
    if state not in {State.FORCED_OPEN, State.CLOSED}:
        raise _UndecidedError(f"{name}: a channel's breaker can be forced open and reset, and nothing else")
    with transaction() as connection:
        now = server_clock(connection)
        before = circuits.decide(connection, name, state, now)
        return _known(circuits.read(connection, now), name).state if before is None else before


def _change_shared(redis: Redis, name: str, state: State) -> State:
    _known(statistics.read(redis), name)
    return control.decide(redis, name, state)


def _known(found: Sequence[Statistics], name: str) -> Statistics:
    known = {one.name: one for one in found}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ": `watchfleet breakers list` shows all"
        raise _UndecidedError(f"no breaker {name!r} was used within a day{hint}")
    return known[name]


def _is_channel(name: str) -> bool:
    return name.startswith(circuits.PREFIX)


def _found() -> tuple[list[Statistics], list[FleetError]]:
    """All breakers that can be read, and why others cannot."""
    found: list[Statistics] = []
    faults: list[FleetError] = []
    for read in (_of_redis, _of_channels):
        try:
            found += read()
        except FleetError as error:
            faults.append(error)
    return found, faults


def _of_redis() -> list[Statistics]:
    return _with_redis(statistics.read)


def _of_channels() -> list[Statistics]:
    with transaction() as connection:
        return circuits.read(connection, server_clock(connection))


def _transitions(redis: Redis, name: str) -> list[dict[str, str]]:
    return [
        {"at": _instant(when).isoformat(), "from": before, "to": after, "reason": reason}
        for when, before, after, reason in statistics.transitions(redis, name)
    ]


def _with_redis(work: Callable[[Redis], T]) -> T:
    try:
        with closing(open_cache(_TIMEOUT)) as redis:
            return work(redis)
    except RedisError as error:
        raise FleetError(f"Redis does not answer: {redact(str(error))}") from error


def _answer(one: Statistics) -> dict[str, Any]:
    return {
        "name": one.name,
        "used_by": one.user,
        "state": one.state,
        "since": None if one.since is None else _instant(one.since).isoformat(),
        "retry_after": one.retry_after,
        "failure_rate": one.failure_rate,
        "slow_call_rate": one.slow_call_rate,
        "buffered_calls": one.buffered,
        "failed_calls": one.window[1],
        "slow_calls": one.window[2] + one.window[3],
        "minimum_number_of_calls": one.minimum,
        "calls": {str(outcome): count for outcome, count in one.calls.items()},
        "not_permitted_calls": one.not_permitted,
    }


def _line(one: Statistics) -> list[str]:
    wait = one.retry_after
    return [
        escape(one.name),
        one.user,
        one.state,
        "-" if one.since is None else at(_instant(one.since)),
        str(one.buffered),
        _percent(one.failure_rate),
        _percent(one.slow_call_rate),
        str(one.not_permitted),
        "" if wait is None else f"in {format_duration(timedelta(seconds=round(wait)))}" if wait else "now",
    ]


def _percent(rate: float) -> str:
    """A rate; a dash while there are too few calls."""
    return "-" if rate < 0 else f"{rate:.1f}"


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
