"""Which memory traces of real processes leak? The detector beside slopes and trend tests.

Each trace is followed from its start: at the end of every ten minutes each detector sees all that came
before. Its first alarm counts. On a trace that does not leak, and before a leak begins, any alarm is false.
Leaks below 100 MB/h are left out, and so are traces shorter than the detector's window.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import _harness
from watchfleet.detectors.memory_trend import BIN, BINS, History, judge
from watchfleet.metrics.trends.series import medians
from watchfleet.metrics.trends.slope import Slope, fit

HOUR = 3600
THRESHOLD = 100e6
PAIRED = 120
"""Points to which a window is thinned for the tests that look at all pairs."""
DEFAULT = Path(__file__).parents[2] / "shared" / "conformance" / "memory"


class Trace(NamedTuple):
    """A recording and what is known of it; `rate` in bytes an hour, `onset` in seconds, of a leak."""

    name: str
    history: History
    leaks: bool
    hard: bool
    rate: float
    onset: float


class Alarm(NamedTuple):
    """When a detector first spoke, in seconds, and the rate that it named, in bytes an hour."""

    at: float
    rate: float


Detector = Callable[[History], float | None]
"""From what was seen so far to the rate that it alarms about."""


def main() -> None:
    arguments = parse()
    began = time.perf_counter()
    traces = list(read(arguments.folder))
    if not traces:
        raise SystemExit(f"{arguments.folder} holds no trace of {BINS * BIN / HOUR} h or more")
    chosen = traces[::4] if arguments.quick else traces
    table = {name: score(chosen, detector) for name, detector in DETECTORS.items()}
    show(table)
    report(table, chosen, time.perf_counter() - began)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=DEFAULT, help="labels.csv and its traces")
    parser.add_argument("--quick", action="store_true", help="every fourth trace")
    return parser.parse_args()


def read(folder: Path) -> Iterator[Trace]:
    """The traces that are long enough and clearly leak or do not."""
    try:
        with (folder / "labels.csv").open(encoding="utf-8") as file:
            labels = list(csv.DictReader(file))
    except OSError as error:
        raise SystemExit(f"{folder}/labels.csv: {error.strerror}: name a folder of traces") from error
    for label in labels:
        leaks = label["leak"] == "1"
        if leaks == (label["spec_leak"] == "1") and float(label["duration_s"]) > BINS * BIN:
            rate = float(label["true_rate_mb_h"]) * 1e6
            found = history(folder / label["file"])
            yield Trace(label["trace"], found, leaks, label["hard"] == "1", rate, float(label["onset_s"]))


def history(path: Path) -> History:
    table = np.genfromtxt(path, delimiter=",", names=True)
    unknown = np.full(len(table), np.nan)
    return History(table["t_s"], table["rss_mb"] * 1e6, table["gen"], unknown)


def until(whole: History, end: float) -> History:
    count = int(np.searchsorted(whole.times, end, "right"))
    return History(
        whole.times[:count], whole.resident[:count], whole.generations[:count], whole.blocks[:count]
    )


def first_alarm(trace: Trace, detector: Detector) -> Alarm | None:
    """The first alarm at the end of ten minutes, the last of which may lack its last sample."""
    for end in np.arange(3 * BIN, trace.history.times[-1] + BIN / 10, BIN):
        rate = detector(until(trace.history, end))
        if rate is not None:
            return Alarm(float(end), rate)
    return None


def ours(seen: History) -> float | None:
    verdict = judge(seen, THRESHOLD)
    return verdict.rate if verdict.is_leaking else None


def naive_slope(seen: History) -> float | None:
    return above(least_squares(seen.times, seen.resident))


def deriv_of_an_hour(seen: History) -> float | None:
    recent = seen.times > seen.times[-1] - HOUR
    return above(least_squares(seen.times[recent], seen.resident[recent])) if spans(seen, 1) else None


def mann_kendall(seen: History) -> float | None:
    """A rise that is significant at 1 %, over two hours, whatever its rate."""
    slope = of_two_hours(seen)
    return slope.per_second * HOUR if slope and slope.p_value < 0.01 and slope.per_second > 0 else None


def theil_sen_lower(seen: History) -> float | None:
    """The lower bound of the slope's interval, over two hours."""
    slope = of_two_hours(seen)
    return slope.per_second * HOUR if slope and above(slope.low * HOUR) else None


DETECTORS: dict[str, Detector] = {
    "watchfleet": ours,
    "naive slope": naive_slope,
    "deriv[1h]": deriv_of_an_hour,
    "Mann-Kendall": mann_kendall,
    "Theil-Sen lower": theil_sen_lower,
}


def of_two_hours(seen: History) -> Slope | None:
    if not spans(seen, 2):
        return None
    recent = seen.times > seen.times[-1] - 2 * HOUR
    slope = fit(*medians(seen.times[recent], seen.resident[recent], PAIRED))
    return slope if isinstance(slope, Slope) else None


def spans(seen: History, hours: float) -> bool:
    return bool(seen.times[-1] - seen.times[0] > hours * HOUR - BIN / 10)


def least_squares(times: Any, values: Any) -> float:
    """Bytes an hour."""
    return float(np.polyfit(times - times[0], values, 1)[0]) * HOUR


def above(rate: float) -> float | None:
    return rate if rate > THRESHOLD else None


def score(traces: list[Trace], detector: Detector) -> dict[str, Any]:
    raised = [(trace, alarm) for trace in traces if (alarm := first_alarm(trace, detector))]
    hits = [(trace, alarm) for trace, alarm in raised if trace.leaks and alarm.at >= trace.onset]
    false = [trace for trace, alarm in raised if not trace.leaks or alarm.at < trace.onset]
    leaks = [trace for trace in traces if trace.leaks]
    errors = [abs(alarm.rate / trace.rate - 1) for trace, alarm in hits]
    delays = [(alarm.at - trace.onset) / HOUR for trace, alarm in hits]
    return {
        "precision": len(hits) / max(len(raised), 1),
        "recall": len(hits) / max(len(leaks), 1),
        "false_alarms": len(false),
        "false_alarms_not_hard": sum(not trace.hard for trace in false),
        "median_hours": float(np.median(delays)) if delays else None,
        "rate_error": float(np.median(errors)) if errors else None,
        "missed": sorted({trace.name for trace in leaks} - {trace.name for trace, _ in hits}),
        "false": sorted(trace.name for trace in false),
    }


def show(table: dict[str, dict[str, Any]]) -> None:
    print(f"{'':<18}{'P':>6}{'R':>6}{'false':>7}{'not hard':>10}{'median h':>10}{'error':>8}  missed; false")
    for name, row in table.items():
        hours, error = (float("nan") if row[of] is None else row[of] for of in ("median_hours", "rate_error"))
        print(
            f"{name:<18}{row['precision']:>6.2f}{row['recall']:>6.2f}{row['false_alarms']:>7}"
            f"{row['false_alarms_not_hard']:>10}{hours:>10.2f}{error:>8.1%}"
            f"  {' '.join(row['missed']) or '-'}; {' '.join(row['false']) or '-'}"
        )


def report(table: dict[str, dict[str, Any]], traces: list[Trace], seconds: float) -> None:
    mine, naive = table["watchfleet"], table["naive slope"]
    _harness.report(
        "memory_detection",
        mine["precision"] / naive["precision"] if naive["precision"] else float("inf"),
        "recall >= 0.93, <= 2 false alarms and none that is not hard, median <= 2.5 h, rate error <= 12 %",
        ours=mine,
        peer={name: row for name, row in table.items() if name != "watchfleet"},
        unit="precision; the peer of the ratio is the naive slope",
        leaks=sum(trace.leaks for trace in traces),
        clean=sum(not trace.leaks for trace in traces),
        seconds=round(seconds, 1),
    )


if __name__ == "__main__":
    main()
