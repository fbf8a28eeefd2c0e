"""`watchfleet probe`: check targets now, from here."""

import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.markup import escape

from watchfleet.cli._console import make_console, print_table
from watchfleet.complaints import similar
from watchfleet.errors import WatchfleetError
from watchfleet.model import ProbeResult, Status
from watchfleet.probes.batch import run_batch
from watchfleet.probes.probe import Target
from watchfleet.probes.targets import Targets, load_targets
from watchfleet.settings import get_settings, read_config

BATCH = 100
COLOURS = {
    Status.UP: "green",
    Status.DEGRADED: "yellow",
    Status.DOWN: "red",
    Status.UNKNOWN: "magenta",
    Status.MAINTENANCE: "blue",
}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--watch", is_flag=True, help="Again and again, each target at its own interval, until Ctrl-C.")
@click.option("--once", is_flag=True, help="Once, which is the default.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def probe(names: tuple[str, ...], *, watch: bool, once: bool, as_json: bool) -> None:
    """Check the targets NAME now, or all of them, from this machine; nothing is stored.

    Exits 0 when none is down or unknown, 1 when one is, and 2 for a name that no target has.

    \b
    Examples:
      watchfleet probe
      watchfleet probe shop postgres
      watchfleet probe --watch shop
      watchfleet probe --json | jq 'select(.status != "up")'
    """
    if watch and once:
        raise click.UsageError("--watch and --once exclude each other")
    targets = _chosen(names)
    if watch:
        _watch(targets, as_json=as_json)
    results = _checked(targets)
    _show(results, as_json=as_json)
    sys.exit(1 if any(result.status in {Status.DOWN, Status.UNKNOWN} for result in results) else 0)


def loaded() -> Targets:
    """Every target that can be used; what is wrong with the others is said."""
    found = load_targets(get_settings(), read_config())
    for problem in found.problems:
        click.echo(f"watchfleet: {problem}; this target is not probed", err=True)
    return found


def _chosen(names: Sequence[str]) -> list[Target]:
    known = loaded().by_name
    for name in names:
        if name not in known:
            hint = similar(name, known) or "`watchfleet probes list` shows all"
            raise click.UsageError(f"there is no target {name!r} ({hint})")
    return [known[name] for name in names] if names else list(known.values())


def _checked(targets: Sequence[Target]) -> list[ProbeResult]:
    """A result for each target, in their order."""
    found: dict[str, ProbeResult] = {}
    for start in range(0, len(targets), BATCH):
        found |= {result.target: result for result in run_batch(targets[start : start + BATCH])}
    return [found[target.name] for target in targets]


def _watch(targets: Sequence[Target], *, as_json: bool) -> None:
    """Check each target whenever it is due, until a signal comes."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    due = dict.fromkeys((target.name for target in targets), time.monotonic())
    try:
        for batch in _due(targets, due):
            _show(_checked(batch), as_json=as_json)
    except KeyboardInterrupt:
        sys.exit(0)


def _due(targets: Sequence[Target], due: dict[str, float]) -> Iterator[list[Target]]:
    if not targets:
        raise WatchfleetError("there are no targets to watch")
    while True:
        time.sleep(max(0.0, min(due.values()) - time.monotonic()))
        now = time.monotonic()
        batch = [target for target in targets if due[target.name] <= now]
        for target in batch:
            due[target.name] = now + target.interval.total_seconds()
        yield batch


def _show(results: Sequence[ProbeResult], *, as_json: bool) -> None:
    if as_json:
        for result in results:
            click.echo(json.dumps(_answer(result)))
        return
    lines = [
        [
            escape(result.target),
            f"[{COLOURS[result.status]}]{result.status}[/]",
            f"{1000 * result.duration:.1f} ms",
            escape(result.reason),
            escape(result.detail),
        ]
        for result in results
    ]
    print_table(make_console(), ["TARGET", "STATUS", "TOOK", "REASON", ""], lines, right={"TOOK"})


def _answer(result: ProbeResult) -> dict[str, Any]:
    return {
        "target": result.target,
        "status": result.status,
        "reason": result.reason,
        "detail": result.detail,
        "duration_seconds": round(result.duration, 6),
        "checked_at": result.checked_at.isoformat(),
        "values": [
            {"name": one.name, "labels": dict(one.labels), "value": one.value} for one in result.values
        ],
    }
