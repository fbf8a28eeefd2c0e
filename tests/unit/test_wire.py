"""What an application packed is what the fleet decodes."""

import json

from hypothesis import given
from hypothesis import strategies as st
from support.ingested import samples as samples_of

from watchfleet.metrics.decode import decode
from watchfleet.model import Event, Kind, Sample
from watchfleet.wire import pack

LABELS = st.dictionaries(st.sampled_from("abc"), st.text(max_size=3), max_size=3)
SAMPLES = st.builds(
    Sample,
    st.sampled_from(["up", "down"]),
    LABELS,
    st.sampled_from(Kind),
    st.integers(0, 2**52).map(lambda microseconds: microseconds / 1e6),
    st.floats(),
)
EVENTS = st.builds(
    Event,
    st.sampled_from(["account_scraped", "scrape_failed"]),
    st.floats(0, 2e9),
    st.text(),
    st.text(),
    st.none() | st.text(),
    st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False, allow_infinity=False)),
)


@given(samples=st.lists(SAMPLES), events=st.lists(EVENTS))
def test_a_batch_survives_its_way_as_json(samples: list[Sample], events: list[Event]) -> None:
    decoded = decode(json.loads(json.dumps(pack(samples, events))))
    # Two NaN are never equal, but look the same.
    assert repr(samples_of(decoded)) == repr(samples)
    assert [Event(*row) for row in decoded.events] == events


def test_a_batch_without_events_says_nothing_of_them() -> None:
    assert "events" not in pack([Sample("up", {}, Kind.GAUGE, 1.0, 1.0)])


def test_each_series_travels_once() -> None:
    batch = pack(Sample("up", {"b": "1", "a": "2"}, Kind.GAUGE, float(number), 1.0) for number in range(1000))
    assert batch["series"] == [["up", {"b": "1", "a": "2"}, "gauge"]]
    assert len(json.dumps(batch)) / 1000 < 30
