"""5,000 distinct alerts to one webhook receiver: ours beside Debian's Alertmanager in the same run.

Each alert is a group of its own; they are posted 64 at a time, as Prometheus does, by one client. Measured
is the time from the first post until the last alert has arrived, and the CPU time of all processes: for us
PostgreSQL, Valkey, a worker, the dispatcher and the web process.
"""

import time
from typing import Any

from benchmarks import _fleet, _harness

BATCH = 64


def main() -> None:
    count, rounds = (512, 1) if _harness.quick() else (5000, 3)
    rates: dict[str, list[float]] = {"ours": [], "peer": []}
    accepted: dict[str, list[float]] = {"ours": [], "peer": []}
    cpu: dict[str, list[float]] = {"ours": [], "peer": []}
    with _fleet.ours() as ours, _fleet.alertmanager() as peer:
        contestants = {"ours": ours, "peer": peer}
        for number in range(-1, rounds):  # the first warms up
            for name, contestant in contestants.items():
                size = 256 if number < 0 else count
                figures = one(contestant, f"{name}-{number}", size)
                if number >= 0:
                    accepted[name].append(size / figures[0])
                    rates[name].append(size / figures[1])
                    cpu[name].append(1000 * figures[2] / size)
        doubled = {name: contestant.receiver.doubled for name, contestant in contestants.items()}
    best = {name: round(sorted(values)[len(values) // 2]) for name, values in rates.items()}
    _harness.report(
        "notify_throughput",
        best["ours"] / best["peer"],
        ">= 1.0",
        **best,
        unit="delivered alerts/s, median",
        accepted={name: round(max(values)) for name, values in accepted.items()},
        cpu_ms_per_alert={name: round(min(values), 2) for name, values in cpu.items()},
        doubled=doubled,
        alerts=count,
    )


def one(contestant: _fleet.Contestant, name: str, count: int) -> tuple[float, float, float]:
    """Seconds until all were accepted, seconds until all had arrived, and seconds of CPU for it."""
    contestant.receiver.clear()
    alerts: list[dict[str, Any]] = [
        {"labels": {"alertname": "Bench", "n": f"{name}-{n}"}, "annotations": {"summary": f"number {n}"}}
        for n in range(count)
    ]
    used, began = contestant.cpu(), time.perf_counter()
    for start in range(0, count, BATCH):
        contestant.post(alerts[start : start + BATCH])
    accepted = time.perf_counter() - began
    assert contestant.receiver.wait(count, 300), f"{len(contestant.receiver.arrived)} of {count} arrived"
    arrived = max(contestant.receiver.arrived.values()) - began
    time.sleep(0.5)  # outcomes are written after the last arrival
    return accepted, arrived, contestant.cpu() - used


if __name__ == "__main__":
    main()
