"""Which partition holds a day."""

from datetime import UTC, date, datetime

import pytest

from watchfleet.db.partitions import ALL, ROLLUPS, SAMPLES, Span, bounds

DAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("span", "start", "end"),
    [
        (Span.DAY, DAY, date(2026, 11, 24)),
        (Span.MONTH, date(2026, 11, 1), date(2026, 12, 1)),
        (Span.YEAR, date(2026, 1, 1), date(2027, 1, 1)),
    ],
)
def test_spans(span, start, end):
    assert span.start(DAY) == start
    assert span.end(start) == end


@pytest.mark.parametrize("month", range(1, 13))
def test_months_follow_each_other(month):
    start = date(2028, month, 1)
    assert Span.MONTH.end(start) == date(2028 + month // 12, month % 12 + 1, 1)


def test_years_follow_each_other():
    assert [Span.YEAR.end(date(year, 1, 1)) for year in (2027, 2028)] == [date(2028, 1, 1), date(2029, 1, 1)]


@pytest.mark.parametrize("parent", ALL)
def test_a_name_tells_its_time(parent):
    found = bounds(parent, parent.name(DAY))
    assert found is not None
    assert found[0].date() == parent.span.start(DAY)
    assert found[0] <= datetime(2026, 11, 23, tzinfo=UTC) < found[1]


@pytest.mark.parametrize("name", ["samples", "samples_p2026", "rollup_5m_p20261123", "samples_p20261123_old"])
def test_other_names_tell_nothing(name):
    assert bounds(SAMPLES, name) is None
    assert bounds(ROLLUPS[1], name) is None
