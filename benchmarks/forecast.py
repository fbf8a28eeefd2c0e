"""Forecasts of real metrics a day ahead: do intervals hold what they say, and how narrow are they?

Rolling origins over the series of the Numenta Anomaly Benchmark: every six hours from the third day on, at
most 40 a series, evenly spread; each forecast sees at most 30 days before its origin and nothing else.
Origins within a labelled anomaly are left out, and values within one are not counted; both stay in the
history, as they would in life. The peer is the seasonal naive forecast (yesterday's values) with symmetric
split-conformal intervals from all of its errors in the same history, cut at zero like ours.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import _harness
from watchfleet.metrics.trends import Grid, Unknown, forecast, to_grid
from watchfleet.metrics.trends.forecast import COVERAGES
from watchfleet.metrics.trends.series import DAY

EVERY = DAY // 4
FIRST = 3 * DAY
SEEN = 30 * DAY
DEFAULT = Path(__file__).parents[2] / "shared" / "conformance" / "nab"


class Bounds(NamedTuple):
    """Lower and upper bounds of a forecast."""

    low: Any
    high: Any


class Score(NamedTuple):
    """How one coverage's intervals did on one series: means over all values."""

    covered: float
    width: float
    interval_score: float


Forecaster = Callable[[Grid, int], dict[float, Bounds]]


def main() -> None:
    arguments = parse()
    names = sorted(path for path in arguments.data.glob("*.csv"))
    if not names:
        raise SystemExit(f"{arguments.data} holds no series: name the folder with --data")
    windows = read_windows(arguments.data / "combined_windows.json")
    most, began = (8 if arguments.quick else 40), time.perf_counter()
    table = {path.stem: compare(path, windows.get(path.name, []), most) for path in names}
    print_table(table)
    report(table, time.perf_counter() - began)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 origins a series instead of 40")
    parser.add_argument("--data", type=Path, default=DEFAULT, help="the folder with the series")
    return parser.parse_args()


def instant(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def read_windows(path: Path) -> dict[str, list[tuple[float, float]]]:
    """The labelled anomalies by file name."""
    labels = json.loads(path.read_text())
    return {
        name.rpartition("/")[2]: [(instant(start), instant(end)) for start, end in found]
        for name, found in labels.items()
    }


def read(path: Path) -> Grid:
    with path.open() as file:
        rows = list(csv.reader(file))[1:]
    return to_grid(
        np.array([instant(at) for at, _ in rows]), np.array([float(value) for _, value in rows]), 100_000
    )


def compare(path: Path, windows: list[tuple[float, float]], most: int) -> dict[str, Any]:
    """The scores of ours and the peer on one series, by coverage."""
    grid = read(path)
    anomalous = np.any([(grid.times >= start) & (grid.times <= end) for start, end in windows], axis=0)
    anomalous = np.broadcast_to(anomalous, grid.values.shape)
    chosen = origins(grid, anomalous, most)
    scores = {
        name: evaluate(grid, anomalous, chosen, forecaster)
        for name, forecaster in (("ours", ours), ("peer", seasonal_naive))
    }
    return {"origins": len(chosen), **scores}


def origins(grid: Grid, anomalous: Any, most: int) -> list[int]:
    last = len(grid.values) - DAY // 4 // grid.step
    found = [at for at in range(FIRST // grid.step, last, EVERY // grid.step) if not anomalous[at]]
    return [found[place] for place in sorted(set(np.linspace(0, len(found) - 1, most).astype(int).tolist()))]


def evaluate(grid: Grid, anomalous: Any, chosen: list[int], forecaster: Forecaster) -> dict[float, Score]:
    parts: dict[float, list[Any]] = {coverage: [] for coverage in COVERAGES}
    for origin in chosen:
        first = max(0, origin - SEEN // grid.step)
        seen = Grid(grid.start + first * grid.step, grid.step, grid.values[first:origin])
        steps = DAY // grid.step
        actual = grid.values[origin : origin + steps]
        counts = np.isfinite(actual) & ~anomalous[origin : origin + steps]
        for coverage, bounds in forecaster(seen, steps).items():
            low, high = bounds.low[: len(actual)][counts], bounds.high[: len(actual)][counts]
            parts[coverage].append(judge(actual[counts], low, high, coverage))
    return {coverage: Score(*np.hstack(rows).mean(axis=1).tolist()) for coverage, rows in parts.items()}


def judge(actual: Any, low: Any, high: Any, coverage: float) -> Any:
    """Whether each value is inside, how wide its interval is, and the interval score."""
    beyond = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
    return np.array([beyond == 0, high - low, high - low + 2 / (1 - coverage) * beyond])


def ours(seen: Grid, steps: int) -> dict[float, Bounds]:
    made = forecast(seen, steps * seen.step)
    assert not isinstance(made, Unknown), made
    return {one.coverage: Bounds(one.low, one.high) for one in made.intervals}


def seasonal_naive(seen: Grid, steps: int) -> dict[float, Bounds]:
    day = DAY // seen.step
    errors = np.abs(seen.values[day:] - seen.values[:-day])
    errors = np.sort(errors[np.isfinite(errors)])
    path = seen.values[np.arange(len(seen.values), len(seen.values) + steps) - day]
    path = np.where(np.isfinite(path), path, np.nanmedian(seen.values))
    floor = 0.0 if np.nanmin(seen.values) >= 0 else -np.inf
    found = {}
    for coverage in COVERAGES:
        rank = min(len(errors), int(np.ceil((len(errors) + 1) * coverage)))
        reach = errors[rank - 1]
        found[coverage] = Bounds(np.maximum(path - reach, floor), np.maximum(path + reach, floor))
    return found


def print_table(table: dict[str, dict[str, Any]]) -> None:
    columns = "".join(
        f"{f'{who} {coverage:.0%}':>9}"
        for coverage in COVERAGES
        for who in ("ours", "peer", "width", "score")
    )
    print(f"{'series':<42}{'origins':>8}{columns}")
    for name, row in table.items():
        print(f"{name:<42}{row['origins']:>8}{''.join(cells(row))}")
    print(f"{'all (means; ratios: geometric means)':<50}", end="")
    for coverage in COVERAGES:
        covered = [
            np.mean([row[who][coverage].covered for row in table.values()]) for who in ("ours", "peer")
        ]
        width, score = (geometric(table, coverage, what) for what in ("width", "interval_score"))
        print(f"{covered[0]:>9.1%}{covered[1]:>9.1%}{width:>9.2f}{score:>9.2f}", end="")
    print()


def cells(row: dict[str, Any]) -> Iterator[str]:
    for coverage in COVERAGES:
        mine, peer = row["ours"][coverage], row["peer"][coverage]
        yield f"{mine.covered:>9.1%}{peer.covered:>9.1%}"
        yield f"{ratio(mine.width, peer.width):>9.2f}{ratio(mine.interval_score, peer.interval_score):>9.2f}"


def ratio(mine: float, theirs: float) -> float:
    return mine / theirs if theirs else float("nan")


def geometric(table: dict[str, dict[str, Any]], coverage: float, what: str) -> float:
    """The geometric mean of the ratios, over the series where neither is zero."""
    pairs = [
        (getattr(row["ours"][coverage], what), getattr(row["peer"][coverage], what)) for row in table.values()
    ]
    return float(
        np.exp(np.mean([np.log(mine / theirs) for mine, theirs in pairs if mine > 0 and theirs > 0]))
    )


def report(table: dict[str, dict[str, Any]], seconds: float) -> None:
    rows = table.values()
    covered = {
        who: {f"{c:.0%}": round(float(np.mean([row[who][c].covered for row in rows])), 4) for c in COVERAGES}
        for who in ("ours", "peer")
    }
    within = {f"{c:.0%}": sum(abs(row["ours"][c].covered - c) <= 0.05 for row in rows) for c in COVERAGES}
    # The headline is of medians: where values are zero most of the time, widths of nearly nothing would
    # make the geometric mean look too good.
    ratios = {
        what: {f"{c:.0%}": round(geometric(table, c, what), 3) for c in COVERAGES}
        for what in ("width", "interval_score")
    }
    medians = {
        f"{c:.0%}": round(
            float(np.nanmedian([ratio(r["ours"][c].width, r["peer"][c].width) for r in rows])), 3
        )
        for c in COVERAGES
    }
    combined = float(np.sqrt(np.prod(list(medians.values()))))
    _harness.report(
        "forecast",
        combined,
        "coverage within 0.05 of nominal, width ratio < 1",
        ours=covered["ours"],
        peer=covered["peer"],
        unit="share of values within the interval, mean over series",
        series=len(table),
        within_5_points=within,
        width_ratio=ratios["width"],
        width_ratio_median=medians,
        interval_score_ratio=ratios["interval_score"],
        seconds=round(seconds, 1),
    )


if __name__ == "__main__":
    main()
