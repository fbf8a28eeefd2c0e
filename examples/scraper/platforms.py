"""Stands in for the sites that a real scraper reads: some pages fail, one may never answer."""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

PLATFORMS = ("instagram", "youtube")
GROUPS = ("spring-campaign", "autumn-campaign")
REASONS = ("login_wall", "rate_limited", "page_changed")


class ScrapeError(Exception):
    """The page could not be read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Profile:
    """What a page shows."""

    followers: int
    posts: int
    likes: int
    comments: int


def accounts(number: int) -> Iterator[tuple[str, str, str]]:
    """The platform, name and group of each account that we follow."""
    for index in range(number):
        yield PLATFORMS[index % len(PLATFORMS)], f"account-{index:04d}", GROUPS[index // 2 % len(GROUPS)]


def fetch(account: str) -> Profile:
    """Read an account's page.

    Raises:
        ScrapeError: It could not be read.
    """
    if account == os.environ.get("SCRAPER_HANGS"):
        time.sleep(3600)
    time.sleep(random.expovariate(1 / float(os.environ.get("SCRAPER_LATENCY", "0.05"))))
    if random.random() < float(os.environ.get("SCRAPER_FAILING", "0.2")):
        raise ScrapeError(random.choice(REASONS))
    followers = 1000 + sum(account.encode()) * 10 + int(time.time()) % 1000
    return Profile(followers, posts=120, likes=followers // 20, comments=followers // 200)
