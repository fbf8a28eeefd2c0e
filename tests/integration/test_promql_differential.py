"""Our engine beside a real Prometheus, on the same series and the same random expressions.

The Prometheus that Debian ships is 2.42, ours follows 3.14. Where the two differ, 3.14 is right, and so the
differences are kept out of the comparison: see `tests.promqltest.expressions.Expressions`.
"""

import json
import math
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import groupby
from random import Random
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from support.servers import free_port, running, wait_until

from tests.promqltest.expressions import SPAN, START, Expressions, series
from watchfleet import promql

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")), reason="prometheus is not installed"
)

EXPRESSIONS = 800
SEED = 20240229
AT = START + SPAN - 300 + 0.5
"""When expressions are evaluated: no edge of a window or step of a subquery meets a sample here."""
RENAMED = {"double_exponential_smoothing": "holt_winters"}


class Peer:
    """A Prometheus that is asked over HTTP."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def ready(self) -> bool:
        try:
            with urlopen(f"{self._url}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path: str, **parameters: Any) -> dict[str, Any] | None:
        """The result of a query; None if it failed."""
        try:
            with urlopen(f"{self._url}/api/v1/{path}", urlencode(parameters).encode(), timeout=20) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            if error.code in {400, 422}:
                return None
            raise


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    folder = tmp_path_factory.mktemp("prometheus")
    exposition = folder / "series.om"
    exposition.write_text(_exposition())
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
    subprocess.run([*command, str(exposition), str(folder / "data")], check=True, timeout=60)
    (folder / "prometheus.yml").write_text("")
    port = free_port()
    server = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    peer = Peer(port)
    with running(server, folder / "log"):
        wait_until(peer.ready)
        yield peer


@pytest.fixture(scope="module")
def ours() -> promql.MemorySeries:
    source = promql.MemorySeries()
    for name, labels, points in series(Random(SEED)):
        source.append({"__name__": name, **labels}, [ts for ts, _ in points], [value for _, value in points])
    return source


def _exposition() -> str:
    lines = []
    for name, group in groupby(series(Random(SEED)), key=lambda one: one[0]):
        lines.append(f"# TYPE {name} unknown")
        for _, labels, points in group:
            inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
            lines += [f"{name}{{{inside}}} {value!r} {ts / 1000:.3f}" for ts, value in points]
    return "\n".join([*_grouped_by_name(lines), "# EOF\n"])


def _grouped_by_name(lines: list[str]) -> list[str]:
    """OpenMetrics wants all samples of a metric together."""
    names: dict[str, list[str]] = {}
    for line in lines:
        name = line.split()[2] if line.startswith("#") else line.partition("{")[0]
        known = names.setdefault(name, [])
        if not (line.startswith("#") and known):
            known.append(line)
    return [line for group in names.values() for line in group]


def test_random_instant_queries_give_what_prometheus_gives(peer: Peer, ours: promql.MemorySeries) -> None:
    expressions = Expressions(SEED)
    compared = failed = 0
    for text in (expressions.make() for _ in range(EXPRESSIONS)):
        theirs = peer.ask("query", query=_theirs(text), time=AT)
        mine = _answer(lambda text=text: promql.instant(ours, text, AT))
        _assert_equal(text, mine, theirs)
        compared += theirs is not None
        failed += theirs is None
    assert compared >= 500
    assert failed > 0, "no expression was wrong: the generator lost its matching errors"


def test_random_range_queries_give_what_prometheus_gives(peer: Peer, ours: promql.MemorySeries) -> None:
    expressions = Expressions(SEED + 1)
    start, end, step = START + 1200.5, START + SPAN - 300.5, 157
    compared = 0
    for text in (expressions.make() for _ in range(EXPRESSIONS // 8)):
        theirs = peer.ask("query_range", query=_theirs(text), start=start, end=end, step=step)
        mine = _answer(lambda text=text: promql.range_(ours, text, start, end, step))
        _assert_equal(text, mine, theirs)
        compared += theirs is not None
    assert compared >= 60


def _answer(evaluate: Callable[[], promql.Value]) -> promql.Value | None:
    """The result; None if the query failed."""
    try:
        return evaluate()
    except promql.QueryError:
        return None


def _theirs(text: str) -> str:
    for now, before in RENAMED.items():
        text = text.replace(now, before)
    return text


Flat = dict[tuple[Any, ...], float]
"""Values by labels and time."""


def _flat(value: promql.Value) -> Flat:
    match value:
        case promql.Scalar():
            return {((), value.at): value.value}
        case promql.Vector():
            return {(tuple(sorted(labels.items())), value.at): number for labels, number in value}
        case promql.Matrix():
            return {
                (tuple(sorted(one.labels.items())), ts): number
                for one in value
                for ts, number in zip(one.timestamps.tolist(), one.values.tolist(), strict=True)
            }
    raise AssertionError(value)


def _flat_json(data: dict[str, Any]) -> Flat:
    if data["resultType"] == "scalar":
        ts, text = data["result"]
        return {((), round(ts * 1000)): float(text)}
    return {
        (tuple(sorted(one["metric"].items())), round(ts * 1000)): float(text)
        for one in data["result"]
        for ts, text in one.get("values") or [one["value"]]
    }


def _assert_equal(text: str, mine: promql.Value | None, theirs: dict[str, Any] | None) -> None:
    if mine is None or theirs is None:
        assert mine is theirs is None, (text, mine, theirs)
        return
    ours, peers = _flat(mine), _flat_json(theirs)
    assert ours.keys() == peers.keys(), text
    for key, value in ours.items():
        same = math.isclose(value, peers[key], rel_tol=1e-9, abs_tol=1e-12)
        assert same or (math.isnan(value) and math.isnan(peers[key])), (text, key, value, peers[key])
