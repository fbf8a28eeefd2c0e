"""What a call through a breaker costs: acquire and record, one by one and in batches, beside bare trips.

CPU microseconds a call, of this process and of Valkey together. The limit is what two round trips cost that
do nothing (PING, PING): no breaker that is shared can ask and tell for less, unless in batches.
"""

import os
import time
from collections.abc import Callable
from contextlib import closing
from statistics import median

from redis import Redis

from benchmarks import _harness
from benchmarks._worker import broker
from watchfleet.breaker import Breaker, Link, Outcome, acquire_all, record_all

BATCH = 100


def main() -> None:
    quick = _harness.quick()
    calls, rounds = (500, 3) if quick else (3000, 7)
    with broker() as url, closing(Redis.from_url(url)) as redis:
        costs = _measure(redis, calls, rounds)
    for name, (wall, client, server) in costs.items():
        print(f"{name:>18}: {wall:6.1f} us wall, CPU {client:6.1f} us client + {server:6.1f} us Valkey")
    total = {name: client + server for name, (_, client, server) in costs.items()}
    _harness.report(
        "breaker",
        total["batches of 100"] / total["two round trips"],
        "<= 1: in batches, no more than two round trips that do nothing",
        ours=round(total["batches of 100"], 1),
        one_by_one=round(total["one by one"], 1),
        peer=round(total["two round trips"], 1),
        unit="CPU us per acquire+record, client and server",
        load=os.getloadavg()[0],
    )


def _measure(redis: "Redis", calls: int, rounds: int) -> dict[str, tuple[float, float, float]]:
    link = Link(redis)
    breakers = [Breaker(f"target-{number}", redis=link) for number in range(BATCH)]
    contestants: dict[str, Callable[[int], None]] = {
        "two round trips": lambda count: _bare(redis, count),
        "one by one": lambda count: _single(breakers, count),
        "batches of 100": lambda count: _batches(breakers, count),
    }
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        order = list(contestants)
        for name in order if number % 2 == 0 else order[::-1]:
            cost = _cost(redis, contestants[name], calls)
            if number:  # the first is for warming up
                found[name].append(cost)
    return {name: _medians(costs) for name, costs in found.items()}


def _medians(costs: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    wall, client, server = zip(*costs, strict=True)
    return median(wall), median(client), median(server)


def _cost(redis: "Redis", run: Callable[[int], None], calls: int) -> tuple[float, float, float]:
    """Microseconds a call: wall, CPU of this process, CPU of the server."""
    server, client, wall = _server_seconds(redis), time.process_time(), time.perf_counter()
    run(calls)
    spent = (time.perf_counter() - wall, time.process_time() - client, _server_seconds(redis) - server)
    return spent[0] / calls * 1e6, spent[1] / calls * 1e6, spent[2] / calls * 1e6


def _server_seconds(redis: "Redis") -> float:
    used = redis.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def _bare(redis: "Redis", calls: int) -> None:
    for _ in range(calls):
        redis.ping()
        redis.ping()


def _single(breakers: list[Breaker], calls: int) -> None:
    for number in range(calls):
        breaker = breakers[number % BATCH]
        breaker.record(breaker.acquire(), Outcome.SUCCESSFUL, 0.01)


def _batches(breakers: list[Breaker], calls: int) -> None:
    for _ in range(calls // BATCH):
        permits = acquire_all(breakers)
        record_all(
            [(one, permit, Outcome.SUCCESSFUL, 0.01) for one, permit in zip(breakers, permits, strict=True)]
        )


if __name__ == "__main__":
    main()
