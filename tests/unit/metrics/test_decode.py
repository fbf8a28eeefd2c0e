"""Batches as they come from outside."""

from array import array
from base64 import b64encode
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfleet.metrics.decode import BatchError, decode
from watchfleet.model import Kind, Sample
from watchfleet.wire import pack

GOOD = pack([Sample("up", {}, Kind.GAUGE, 1_700_000_000.25, 1.5), Sample("x", {}, Kind.EVENT, 1.0, -1.0)])


def test_columns_come_out_as_they_went_in():
    found = decode(GOOD)
    assert found.series == [["up", {}, "gauge"], ["x", {}, "event"]]
    assert found.index.tolist() == [0, 1]
    assert found.ts.tolist() == [1_700_000_000_250_000, 1_000_000]
    assert found.value.tolist() == [1.5, -1.0]
    assert found.value.dtype == np.float64


def test_columns_are_as_wide_as_they_must_be():
    near = pack([Sample(f"n{n % 70_000}", {}, Kind.GAUGE, 1e9 + n / 1e6, float(n)) for n in range(70_001)])
    found = decode(near)
    assert found.index.tolist() == [*range(70_000), 0]
    assert (found.ts - 10**15).tolist() == list(range(70_001))
    few = pack([Sample("n", {}, Kind.GAUGE, 1e9 + n, 0.0) for n in range(4294)])
    many = pack([Sample("n", {}, Kind.GAUGE, 1e9 + n, 0.0) for n in range(4296)])
    assert decode(few).ts.tolist() == [(10**9 + n) * 10**6 for n in range(4294)]
    assert decode(many).ts.tolist() == [(10**9 + n) * 10**6 for n in range(4296)]
    assert len(few["ts"]) < 1.01 * len(many["ts"]) / 2
    assert decode(pack([])).ts.tolist() == []


def test_the_first_version_is_read_too():
    columns = {"index": array("I", [0, 1]), "ts": array("q", [5, -5]), "value": array("d", [1.0, 2.0])}
    old = {"v": 1, "series": [["a", {}, "gauge"], ["b", {}, "gauge"]]}
    found = decode(old | {name: b64encode(column).decode() for name, column in columns.items()})
    assert (found.index.tolist(), found.ts.tolist(), found.value.tolist()) == ([0, 1], [5, -5], [1.0, 2.0])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"v": 3}, "unknown_version"),
        ({"since": "now"}, "not_a_batch"),
        ({"since": None}, "not_a_batch"),
        ({"since": 1 << 80}, "not_a_batch"),
        ({"v": None}, "unknown_version"),
        ({"series": None}, "not_a_batch"),
        ({"series": {}}, "not_a_batch"),
        ({"events": 5}, "not_a_batch"),
        ({"index": 5}, "not_a_batch"),
        ({"index": "!!!!"}, "not_base64"),
        ({"value": "AAA"}, "not_base64"),
        ({"value": "\ud800"}, "not_base64"),
        ({"ts": "AAAA"}, "column_length"),
        ({"value": ""}, "column_length"),
        ({"series": [["up", {}, "gauge"]]}, "index_out_of_range"),
        ({"series": []}, "index_out_of_range"),
    ],
)
def test_what_is_no_batch_is_refused_with_a_reason(change, reason):
    with pytest.raises(BatchError) as caught:
        decode({**GOOD, **change})
    assert caught.value.reason == reason


@pytest.mark.parametrize("batch", [None, [], "x", 5, {}])
def test_anything_else_is_refused_too(batch):
    with pytest.raises(BatchError):
        decode(batch)


@given(
    st.dictionaries(
        st.sampled_from(["v", "series", "index", "ts", "value", "events"]),
        st.text() | st.lists(st.integers()),
    )
)
def test_no_mapping_makes_it_fail_in_another_way(batch):
    with suppress(BatchError):
        decode({"v": 2, **batch})
