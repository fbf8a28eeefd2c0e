"""Tiers fit into each other, and an hour is one worker's."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from watchfleet.metrics.tiers import HOUR, SHARDS, TIERS, above
from watchfleet.settings import get_settings

AT = 1_790_003_723_456_789


@pytest.mark.parametrize("tier", TIERS[:-1])
def test_a_bucket_lies_within_one_of_the_tier_above(tier):
    (parent,) = above(tier)
    assert parent.width % tier.width == 0
    assert parent.bucket(tier.bucket(AT)) == parent.bucket(AT)
    assert parent.source == tier.table
    assert parent.refresh > tier.refresh


def test_the_last_tier_has_none_above():
    assert above(TIERS[-1]) == []


@pytest.mark.parametrize("tier", TIERS)
def test_buckets_begin_on_multiples_of_their_width(tier):
    assert tier.bucket(AT) <= AT < tier.bucket(AT) + tier.width
    assert tier.buckets(np.array([AT]))[0] == tier.bucket(AT)
    assert tier.bucket(AT) % tier.width == 0


def test_every_tier_of_an_hour_has_one_shard_and_hours_go_round():
    hour = AT - AT % HOUR
    within = {
        tier.shard(tier.bucket(hour + part)) for tier in TIERS[:3] for part in range(0, HOUR, HOUR // 12)
    }
    assert len(within) == 1
    assert {TIERS[0].shard(hour + n * HOUR) for n in range(SHARDS)} == set(range(SHARDS))
    assert {TIERS[3].shard(TIERS[3].bucket(hour) + n * TIERS[3].width) for n in range(SHARDS)} == set(
        range(SHARDS)
    )


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Chatham"]
)
def test_days_are_those_of_the_time_zone(zone, monkeypatch):
    monkeypatch.setenv("TIME_ZONE", zone)
    get_settings.cache_clear()
    day, info = TIERS[3], ZoneInfo(zone)
    for month in range(1, 13):
        for hour in range(0, 24 * 31, 7):
            at = datetime(2026, month, 1, tzinfo=UTC) + timedelta(hours=hour, minutes=17)
            start = day.bucket(round(at.timestamp()) * 1_000_000)
            local = datetime.fromtimestamp(start / 1e6, info)
            assert (local.date(), local.time()) == (at.astimezone(info).date(), time())
            assert day.bucket(day.end(start)) == day.end(start) > start
            assert day.bucket(day.end(start) - 1) == start
            assert start % (900 * 1_000_000) == 0
    instants = np.arange(0, 40 * 24 * HOUR, HOUR // 4) + AT
    assert day.buckets(instants).tolist() == [day.bucket(one) for one in instants.tolist()]
    get_settings.cache_clear()


@pytest.mark.parametrize(("zone", "source"), [("Europe/Berlin", "rollup_1h"), ("Asia/Kolkata", "rollup_15m")])
def test_a_day_is_made_of_buckets_that_lie_within_it(zone, source, monkeypatch):
    monkeypatch.setenv("TIME_ZONE", zone)
    get_settings.cache_clear()
    assert TIERS[3].source.table == source
    assert TIERS[3] in [one for tier in TIERS for one in above(tier) if tier.table.table == source]
    get_settings.cache_clear()
