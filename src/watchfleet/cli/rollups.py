"""`watchfleet rollups`: how far the rollups are, whether they are right, and making them anew."""

import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.progress import Progress

from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.errors import WatchfleetError
from watchfleet.metrics import rollup_status, rollup_verify
from watchfleet.metrics import rollups as engine
from watchfleet.metrics.tiers import SHARDS

_SECONDS: Final = 1.0
"""Between two looks at what is left."""


def _instant(_: click.Context, __: click.Parameter, given: datetime | None) -> datetime | None:
    return None if given is None else given.replace(tzinfo=UTC)


def _share(given: str) -> float:
    try:
        share = float(given.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not (given.endswith("%") and 0 < share <= 1):
        raise click.BadParameter(f"{given!r} is not a share; write it like 1%")
    return share


@click.group()
def rollups() -> None:
    """See how far the rollups are, whether they are right, and make them anew.

    \b
    Examples:
      watchfleet rollups status
      watchfleet rollups verify --sample 100%
    """


@rollups.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def status(*, as_json: bool) -> None:
    """Show what waits to be rolled up, by shard and tier, and when each shard was last worked on.

    LAG tells how long the first slice has been due. Buckets that are still filling are brought up to date
    now and then and are not due in between.

    \b
    Examples:
      watchfleet rollups status
      watchfleet rollups status --json
    """
    now = utcnow()
    with transaction() as connection:
        found, ticks = rollup_status.waiting(connection, now), rollup_status.last_ticks(connection)
    if as_json:
        click.echo(json.dumps(_as_json(found, ticks, now), indent=2))
        return
    console = make_console()
    if not any(ticks.values()) and not found:
        console.print("Nothing has been rolled up yet, and nothing waits.")
        return
    heads = ["SHARD", "LAST TICK", "TIER", "SLICES", "OLDEST", "LAG"]
    cells = [line for shard, at in ticks.items() for line in _lines(shard, at, found, now)]
    print_table(console, heads, cells, right=("SHARD", "SLICES"))


def _as_json(
    found: Sequence[rollup_status.Waiting], ticks: Mapping[int, datetime | None], now: datetime
) -> dict[str, Any]:
    lines = [
        {"shard": one.shard, "tier": one.tier, "slices": one.slices, "lag_seconds": one.lag(now)}
        | {"oldest": one.oldest.astimezone(UTC).isoformat()}
        for one in found
    ]
    return {
        "shards": SHARDS,
        "lag_seconds": max((one.lag(now) for one in found), default=0.0),
        "last_ticks": {shard: at.astimezone(UTC).isoformat() if at else None for shard, at in ticks.items()},
        "waiting": lines,
    }


def _lines(
    shard: int, at: datetime | None, found: Sequence[rollup_status.Waiting], now: datetime
) -> list[list[str]]:
    ticked = "never" if at is None else f"{(now - at).total_seconds():.0f} s ago"
    mine = [one for one in found if one.shard == shard]
    if not mine:
        return [[str(shard), ticked, "", "0", "", ""]]
    return [
        [
            str(shard),
            ticked,
            one.tier,
            str(one.slices),
            f"{one.oldest.astimezone(UTC):%Y-%m-%d %H:%M}",
            _lag(one, now),
        ]
        for one in mine
    ]


def _lag(one: rollup_status.Waiting, now: datetime) -> str:
    return "not due" if one.due_since is None else f"{one.lag(now):.0f} s"


@rollups.command()
@click.option("--from", "start", type=click.DateTime(), callback=_instant, required=True, help="UTC.")
@click.option("--to", "end", type=click.DateTime(), callback=_instant, required=True, help="UTC, exclusive.")
def rebuild(start: datetime, end: datetime) -> None:
    """Make every tier anew from the samples of a time range.

    Where samples are past their retention, rollups stay as they are. What is to be done is noted in the
    store first: after an interruption the fleet goes on with it, and so does the same command.

    \b
    Examples:
      watchfleet rollups rebuild --from 2026-11-01 --to 2026-11-02
    """
    now = utcnow()
    try:
        with transaction() as connection:
            rollup_status.mark_all(connection, start, end, now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--from/--to") from error
    done = _drain(now)
    click.echo(f"Recomputed {done.slices} slices: {done.rows} rows.")


def _drain(now: datetime) -> engine.Advanced:
    """Work until nothing is due, or what is due is in others' hands."""
    total = engine.Advanced()
    with Progress(console=make_console(stderr=True), transient=True) as progress:
        bar = progress.add_task("slices", total=_left(now))
        while remaining := _left(now):
            done = engine.drain(get_engine(), now, seconds=_SECONDS)
            total += done
            progress.update(bar, completed=total.slices, total=total.slices + remaining)
            if not done.steps:
                break
    return total


def _left(now: datetime) -> int:
    with transaction() as connection:
        return rollup_status.left(connection, now)


@rollups.command()
@click.option(
    "--sample", "share", type=_share, default="1%", show_default=True, help="How many slices of each tier."
)
@click.option("--seed", type=int, help="Choose the same slices again.")
def verify(share: float, seed: int | None) -> None:
    """Recompute some slices and compare them with what is stored; exit 1 if one differs.

    A slice that waits to be rolled up is left out.

    \b
    Examples:
      watchfleet rollups verify
      watchfleet rollups verify --sample 100%
    """
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    found = rollup_verify.verify(get_engine(), share, random.Random(seed))
    told = f"{found.slices} slices compared, {found.skipped} wait to be rolled up, {found.different} differ"
    if found.different:
        shown = "\n  ".join(found.differences)
        raise WatchfleetError(f"{told} (--seed {seed}):\n  {shown}")
    click.echo(f"{told}.")
