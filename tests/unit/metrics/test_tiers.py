"""Tiers fit into each other, and an hour is one worker's."""

import numpy as np
import pytest

from watchfleet.metrics.tiers import HOUR, SHARDS, TIERS, above

AT = 1_790_003_723_456_789


@pytest.mark.parametrize("tier", TIERS[:-1])
def test_a_bucket_lies_within_one_of_the_tier_above(tier):
    parent = above(tier)
    assert parent is not None
    assert parent.width % tier.width == 0
    assert parent.bucket(tier.bucket(AT)) == parent.bucket(AT)
    assert parent.source == tier.table
    assert parent.refresh > tier.refresh


def test_the_last_tier_has_none_above():
    assert above(TIERS[-1]) is None


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
