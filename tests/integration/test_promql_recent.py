"""What a process keeps of the newest samples is what the store has, whatever came in between."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest
from sqlalchemy import Connection, text

from watchfleet import promql
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import ingest
from watchfleet.metrics.series import resolve
from watchfleet.model import Kind, Sample
from watchfleet.promql import catalogue, recent, store
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.recent import Recent
from watchfleet.promql.store import StoreSeries

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_number = count()

pytestmark = pytest.mark.usefixtures("environment")


def write(connection: Connection, *ago: float, **labels: str) -> None:
    """Write samples of these ages in seconds, each with another value."""
    samples = [Sample("m", labels, Kind.GAUGE, NOW.timestamp() - one, float(next(_number))) for one in ago]
    assert ingest.write_samples(connection, f"b{next(_number)}", samples, NOW).accepted == len(ago)


def committed(*ago: float, **labels: str) -> None:
    with transaction() as connection:
        write(connection, *ago, **labels)


def answer(connection: Connection, expression: str = "m[5m]", at: datetime = NOW) -> object:
    found = promql.instant(StoreSeries(connection), expression, at)
    assert isinstance(found, promql.Matrix)
    return [(dict(one.labels), one.timestamps.tolist(), one.values.tolist()) for one in found]


@pytest.fixture
def read_anew(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Answers as a process does that has kept nothing."""

    def read(*arguments: object) -> object:
        with monkeypatch.context() as patch:
            patch.setattr(store, "recent", lambda _: Recent())
            with transaction() as connection:
                return answer(connection, *arguments)  # type: ignore[arg-type]

    return read


def kept(*arguments: object) -> object:
    with transaction() as connection:
        return answer(connection, *arguments)  # type: ignore[arg-type]


def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The spans that are read from now on, as seconds before NOW at which they begin, and series."""
    seen: list[tuple[int, int]] = []
    for module in (recent, store):
        original = module.read

        def noting(connection: Connection, spans: dict, most: int, read=original) -> object:
            seen.extend(
                (round(NOW.timestamp() - start / 1000), len(ids)) for (start, _), ids in spans.items()
            )
            return read(connection, spans, most)

        monkeypatch.setattr(module, "read", noting)
    return seen


def of_its_own(batch: str, *ago: float, **labels: str) -> None:
    """Write a batch whose series this process takes note of, as rules do."""
    samples = [Sample("m", labels, Kind.GAUGE, NOW.timestamp() - one, float(next(_number))) for one in ago]
    with transaction() as connection:
        ingest.write_samples(connection, batch, samples, NOW)
        ids = resolve(connection, [["m", labels, "gauge"]]).ids
        recent.recent(connection.engine).wrote(connection, batch, ids)


def test_a_batch_of_its_own_is_read_only_where_its_series_are_kept(
    monkeypatch: pytest.MonkeyPatch, read_anew
) -> None:
    committed(*range(30, 300, 15), host="a")
    of_a = 'm{host="a"}[5m]'
    assert kept(of_a) == kept(of_a) == read_anew(of_a)
    seen = reads(monkeypatch)
    of_its_own("own1", 20, host="b")
    assert kept(of_a) == read_anew(of_a)
    assert seen == [(300, 1)]  # only what was read anew to compare with
    of_its_own("own2", 10, host="a")
    assert kept(of_a) == read_anew(of_a)
    assert len(kept()) == 2  # type: ignore[arg-type]
    of_its_own("own3", 5, host="b")
    assert kept() == read_anew()


def test_a_batch_that_was_undone_says_nothing_of_one_with_its_name(read_anew) -> None:
    committed(*range(30, 300, 15), host="a")
    of_a = 'm{host="a"}[5m]'
    assert kept(of_a) == kept(of_a)
    with transaction() as connection:
        recent.recent(connection.engine).wrote(connection, "again", np.array([-1], np.int64))
        connection.rollback()
    with transaction() as connection:
        sample = Sample("m", {"host": "a"}, Kind.GAUGE, NOW.timestamp() - 7, 1.5)
        ingest.write_samples(connection, "again", [sample], NOW)
    assert kept(of_a) == read_anew(of_a)


def test_only_what_came_since_is_read(monkeypatch: pytest.MonkeyPatch, read_anew) -> None:
    committed(*range(30, 300, 15), host="a")
    committed(*range(30, 300, 15), host="b")
    assert kept() == kept() == read_anew()
    seen = reads(monkeypatch)
    assert len(kept()) == 2  # type: ignore[arg-type]
    assert seen == []
    committed(5, 14, host="a")
    assert kept() == read_anew()
    assert seen[0] == (14, 2)
    committed(1, host="new")
    seen.clear()
    assert len(kept()) == 3  # type: ignore[arg-type]
    assert sorted(seen) == [(1, 2), (360, 1)]


def test_late_samples_and_a_present_that_moves_are_no_matter(read_anew) -> None:
    committed(*range(30, 300, 15), host="a")
    for step in range(8):
        at = NOW + timedelta(seconds=20 * step)
        committed(200 - step, -20 * step, 3000, host="a")
        assert kept("m[5m]", at) == read_anew("m[5m]", at)
        assert kept("m[2m] offset 1m", at) == read_anew("m[2m] offset 1m", at)


def test_a_batch_that_was_on_its_way_at_the_last_look_is_seen_once_it_is_in(read_anew) -> None:
    committed(100, host="a")
    kept()
    with transaction() as slow:
        write(slow, 50, host="a")
        committed(20, host="a")  # with a later number, and in at once
        assert kept() == read_anew()
        assert len(kept()[0][1]) == 2  # type: ignore[index]
    assert kept() == read_anew()
    assert len(kept()[0][1]) == 3  # type: ignore[index]


def test_a_transaction_sees_its_own_samples_and_leaves_none_behind(read_anew) -> None:
    committed(100, host="a")
    kept()
    with get_engine().connect() as connection, connection.begin() as begun:
        assert len(answer(connection)[0][1]) == 1  # type: ignore[index]
        write(connection, 50, host="a")
        assert len(answer(connection)[0][1]) == 2  # type: ignore[index]
        begun.rollback()
    assert kept() == read_anew()
    assert len(kept()[0][1]) == 1  # type: ignore[index]


def test_a_time_further_back_and_a_span_that_is_too_much_are_read_as_ever(
    monkeypatch: pytest.MonkeyPatch, read_anew
) -> None:
    committed(*range(30, 900, 15), host="a")
    kept()
    kept()
    assert kept("m[5m]", NOW - timedelta(minutes=10)) == read_anew("m[5m]", NOW - timedelta(minutes=10))
    seen = reads(monkeypatch)
    kept()
    assert seen == []
    monkeypatch.setattr(recent, "MOST_SAMPLES", 10)
    for _ in range(3):
        assert kept("m[10m]") == read_anew("m[10m]")
    assert kept("m[3h]") == kept("m[3h]") == read_anew("m[3h]")


def test_a_series_that_was_being_made_when_a_newer_one_was_seen_is_found(read_anew) -> None:
    committed(100, host="a")
    with get_engine().connect() as making, making.begin():
        making.execute(
            text(
                "INSERT INTO series (fingerprint, name, labels, kind)"
                " VALUES (gen_random_uuid(), 'm', CAST(:labels AS jsonb), 'gauge')"
            ),
            {"labels": '{"host": "slow"}'},
        )
        committed(90, host="newer")
        for _ in range(3):
            assert found() == ["a", "newer"]
    for _ in range(3):
        assert found() == ["a", "newer", "slow"]


def found() -> list[str]:
    """The hosts of the series that a selector means."""
    with transaction() as connection:
        known = catalogue.version(connection)
        matched = catalogue.matching(connection, (Matcher("__name__", "=", "m"),), 100, known)
    return sorted(dict(labels)["host"] for labels in matched.series.labels)


def test_series_are_looked_up_once_until_there_is_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    committed(100, host="a")
    found()
    found()
    asked: list[object] = []
    original = catalogue._candidates
    monkeypatch.setattr(catalogue, "_candidates", lambda *given: asked.append(given) or original(*given))
    assert found() == ["a"]
    assert asked == []
    committed(90, host="b")
    assert found() == ["a", "b"]
    assert len(asked) == 1
