"""`watchfleet breakers`: how circuit breakers stand, and what an operator decides about them."""

import difflib
import json
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from redis import Redis, RedisError
from rich.markup import escape

from watchfleet.breaker import control, statistics
from watchfleet.breaker.registry import entries
from watchfleet.breaker.states import Outcome, State
from watchfleet.breaker.statistics import Statistics
from watchfleet.cli._console import make_console, print_table
from watchfleet.cli._times import at
from watchfleet.clock import format_duration
from watchfleet.db.cache import open_cache
from watchfleet.errors import FleetError
from watchfleet.redact import redact

_TIMEOUT = 5.0


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

    \b
    Examples:
      watchfleet breakers list
      watchfleet breakers list --json
    """
    found = _with_redis(statistics.read)
    if as_json:
        for one in found:
            click.echo(json.dumps(_answer(one)))
        return
    columns = ["NAME", "STATE", "SINCE", "CALLS", "FAILED %", "SLOW %", "REFUSED", "NEXT TRIAL"]
    print_table(make_console(), columns, [_line(one) for one in found], right=columns[3:7])


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
    one, changes = _with_redis(lambda redis: (_known(redis, name), statistics.transitions(redis, name)))
    told = [
        {"at": _instant(when).isoformat(), "from": before, "to": after, "reason": reason}
        for when, before, after, reason in changes
    ]
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
            before = _with_redis(lambda redis, name=name: _change(redis, name, state))
        except _UnknownBreakerError as error:
            click.echo(f"watchfleet: {error}", err=True)
            failed = True
        else:
            click.echo(f"{name}: {before} -> {state}")
    sys.exit(1 if failed else 0)


def _change(redis: Redis, name: str, state: State) -> State:
    _known(redis, name)
    return control.decide(redis, name, state)


class _UnknownBreakerError(FleetError):
    """No process has used a breaker of this name within a day."""


def _known(redis: Redis, name: str) -> Statistics:
    known = list(entries(redis))
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ": `watchfleet breakers list` shows all"
        raise _UnknownBreakerError(f"no breaker {name!r} was used within a day{hint}")
    return next(one for one in statistics.read(redis) if one.name == name)


def _with_redis(work: Any) -> Any:
    try:
        with closing(open_cache(_TIMEOUT)) as redis:
            return work(redis)
    except RedisError as error:
        raise FleetError(f"Redis does not answer: {redact(str(error))}") from error


def _answer(one: Statistics) -> dict[str, Any]:
    return {
        "name": one.name,
        "state": one.state,
        "since": None if one.since is None else _instant(one.since).isoformat(),
        "retry_after": one.retry_after,
        "failure_rate": one.failure_rate,
        "slow_call_rate": one.slow_call_rate,
        "buffered_calls": one.buffered,
        "failed_calls": one.window[1],
        "slow_calls": one.window[2] + one.window[3],
        "minimum_number_of_calls": one.minimum,
        "calls": {str(outcome): one.calls[outcome] for outcome in Outcome},
        "not_permitted_calls": one.not_permitted,
    }


def _line(one: Statistics) -> list[str]:
    wait = one.retry_after
    return [
        escape(one.name),
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
