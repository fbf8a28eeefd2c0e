"""From an alert posted to `/api/v2/alerts` until it is on the wire: ours beside Debian's Alertmanager, idle.

One alert at a time, each of a group of its own with `group_wait: 0s`, with a pause between two. The clock
starts before the request is sent and stops when the receiver has read the webhook's headers.
"""

import random
import time
from statistics import median, quantiles

from benchmarks import _fleet, _harness

GOAL_MS = 20.0


def main() -> None:
    count = 20 if _harness.quick() else 200
    with _fleet.ours() as ours, _fleet.alertmanager() as peer:
        contestants = {"ours": ours, "peer": peer}
        took: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(-10, count):  # the first ten warm up
            for name, contestant in contestants.items():
                seconds = one(contestant, f"{name}-{number}")
                if number >= 0:
                    took[name].append(seconds * 1000)
                time.sleep(random.uniform(0.02, 0.08))
    figures = {name: round(median(times), 2) for name, times in took.items()}
    _harness.report(
        "notify_latency",
        GOAL_MS / figures["ours"],
        f"p50 < {GOAL_MS:g} ms",
        **figures,
        p90={name: round(quantiles(times, n=10)[-1], 2) for name, times in took.items()},
        unit="ms, p50",
        alerts=count,
    )


def one(contestant: _fleet.Contestant, name: str) -> float:
    """Seconds until one alert has arrived."""
    began = time.perf_counter()
    contestant.post([{"labels": {"alertname": "Bench", "n": name}}])
    with contestant.receiver.changed:
        arrived = contestant.receiver.changed.wait_for(lambda: name in contestant.receiver.arrived, 30)
    assert arrived, f"{name} did not arrive"
    return contestant.receiver.arrived[name] - began


if __name__ == "__main__":
    main()
