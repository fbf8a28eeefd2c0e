"""Examples of what was turned away, fit to be stored whatever they hold."""

import json

from hypothesis import given
from hypothesis import strategies as st

from watchfleet.metrics.rejects import MOST_KEPT, Rejects, plain

hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800\x00" * 300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=10,
)


@given(hostile)
def test_anything_becomes_short_json_that_postgresql_takes(value):
    packed = json.dumps(plain(value), allow_nan=False)
    assert len(packed) < 30_000
    assert "\\u0000" not in packed
    assert "\\ud8" not in json.dumps(plain("\ud800"))


def test_all_are_counted_and_some_are_kept():
    rejects = Rejects()
    for _ in range(MOST_KEPT + 5):
        rejects.count("too_old")
        rejects.keep("too_old", {"name": "x"})
    assert rejects.total == MOST_KEPT + 5
    assert rejects.room == 0
    assert len(rejects._kept) == MOST_KEPT
