"""Queries on /metrics: however many kinds there are, the series are few and what they add up to is right."""

from watchfleet.detectors.slow_queries import KindOfQuery
from watchfleet.web.query_families import HEAVIEST, OTHER, Load, of_load


def kind(fingerprint: str, total: float) -> KindOfQuery:
    return KindOfQuery(fingerprint, ("shop",), 10, total, total / 5, total / 4, total / 3, 7, 1, 0, "SELECT")


def points(load: Load) -> dict[str, dict[str, float]]:
    return {
        family.name: {sample.labels["fingerprint"]: sample.value for sample in family.samples}
        for family in of_load(load)
    }


def test_the_heaviest_have_a_series_each_and_the_others_one() -> None:
    kinds = [kind(f"{number:016x}", 1000.0 - number) for number in range(300)]
    found = points(Load(kinds, 400.0))
    heaviest = {one.fingerprint for one in kinds[:HEAVIEST]}
    assert set(found["db_query_load_ratio"]) == {*heaviest, OTHER}
    assert set(found["db_query_p95_seconds"]) == heaviest
    assert sum(found["db_query_load_ratio"].values()) == sum(one.total for one in kinds) / 400
    assert sum(found["db_queries_per_second"].values()) == 3000 / 400
    assert found["db_query_errors_per_second"][OTHER] == (300 - HEAVIEST) / 400


def test_what_a_process_told_of_together_is_among_the_others() -> None:
    found = points(Load([kind(OTHER, 50.0), kind("0" * 16, 20.0)], 10.0))
    assert found["db_query_load_ratio"] == {OTHER: 5.0, "0" * 16: 2.0}


def test_nothing_asked_is_no_series() -> None:
    assert points(Load([], 300.0))["db_query_load_ratio"] == {}
