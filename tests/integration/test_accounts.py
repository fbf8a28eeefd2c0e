"""Daily statistics, growth and freshness beside an oracle that knows every event."""

import random
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from sqlalchemy import text
from support import account_oracle as oracle
from support.servers import use_environment

from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import ingest
from watchfleet.metrics.accounts import freshness, growth, platforms, repair
from watchfleet.metrics.accounts.page import MOST, Page, Wanted
from watchfleet.metrics.accounts.statistics import BY, By, Statistics, statistics
from watchfleet.model import Event
from watchfleet.wire import pack

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ALL = Wanted()
WHOLE = Page(MOST, {})
LEVELS = ("followers", "following", "posts", "likes", "comments", "shares", "views")

pytestmark = pytest.mark.usefixtures("environment")


def made_up(number: int, rng: random.Random, days: float = 3) -> list[Event]:
    """Events of every kind, in no order, some at the same time."""
    return [one(rng, days) for _ in range(number)]


def one(rng: random.Random, days: float) -> Event:
    signal, fields = rng.choice(
        [
            ("account_scraped", {"duration": rng.choice([0.1, 0.2, rng.expovariate(1)])}),
            ("account_scraped", {}),
            ("scrape_failed", {"reason": "login_wall", "duration": rng.random()}),
            ("followers_counted", {"followers": float(rng.randrange(1000)), "posts": rng.randrange(9)}),
            ("engagement_recorded", {"likes": rng.randrange(99)}),
            ("engagement_recorded", {"likes": rng.randrange(99), "comments": 7, "shares": 1, "views": 1e22}),
            ("content_found", {"count": rng.choice([1, 3, 0.1])}),
            ("content_found", {"kind": "post"}),
        ]
    )
    at = NOW.timestamp() - rng.randrange(int(days * 8640)) * 10 + rng.choice([0.0, 0.000001, 0.5])
    group = rng.choice([None, "spring", "autumn"])
    return Event(signal, at, rng.choice(["insta", "tube"]), f"a{rng.randrange(12)}", group, fields)


def write(batch_id: str, events: list[Event], now: datetime = NOW) -> None:
    with transaction() as connection:
        ingest.write(connection, batch_id, pack([], events), now)


def stored() -> oracle.Rows:
    with transaction() as connection:
        rows = connection.execute(text("SELECT * FROM daily_stats")).mappings().all()
    return {
        (row["day"], row["platform"], row["account"], row["account_group"]): {
            **{name: row[name] for name in ("succeeded", "failed", "timed", *LEVELS)},
            **{name: Fraction(row[name]) for name in ("duration_seconds", "content")},
        }
        for row in rows
    }


def read(first: date, last: date, by: By, wanted: Wanted = ALL, page: Page = WHOLE) -> list[Statistics]:
    with transaction() as connection:
        return statistics(connection, (first, last), by, wanted, page)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_days_are_what_the_events_say_whatever_their_order(
    zone: str, environment: pytest.MonkeyPatch
) -> None:
    """Batches in any order, at the same time, each delivered twice."""
    use_environment(environment, TIME_ZONE=zone)
    rng = random.Random(7)
    events = made_up(1200, rng)
    batches = [events[at : at + 100] for at in range(0, len(events), 100)]
    deliveries = 2 * list(enumerate(batches))
    rng.shuffle(deliveries)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: write(f"b{one[0]}", one[1]), deliveries))
    assert stored() == oracle.daily(events, zone)
    days = sorted({oracle.day(event, zone) for event in events})
    with transaction() as connection:
        known = repair.recomputable(connection, days[0], days[-1])
    assert known == days
    assert repair.verify(get_engine(), known).differences == []


def test_what_was_damaged_is_found_and_made_anew() -> None:
    rng = random.Random(1)
    events = made_up(300, rng, days=1.5)
    write("b", events)
    days = sorted({oracle.day(event, "UTC") for event in events})
    with transaction() as connection:
        connection.execute(text("UPDATE daily_stats SET followers = followers + 1 WHERE account = 'a1'"))
        connection.execute(text("DELETE FROM daily_stats WHERE account = 'a2'"))
        connection.execute(
            text(
                "INSERT INTO daily_stats (day, platform, account, account_group, succeeded, failed, timed,"
                " duration_seconds, content) VALUES (:day, 'insta', 'nobody', '', 1, 0, 0, 0, 0)"
            ),
            {"day": days[0]},
        )
    found = repair.verify(get_engine(), days)
    told = "\n".join(found.differences)
    assert found.different == len(found.differences) > 2
    assert f"{days[0]} insta nobody: the row should not be there" in told
    assert "a1" in told
    assert "a2: the row is missing" in told
    assert sum(rows for _, rows in repair.rebuild(get_engine(), days)) == len(oracle.daily(events))
    assert stored() == oracle.daily(events)


def test_days_are_made_anew_while_events_come_in() -> None:
    """Those that come at that moment are neither lost nor counted twice."""
    rng = random.Random(3)
    batches = [made_up(40, rng, days=0.4) for _ in range(40)]
    today = [NOW.date()]
    write("first", batches[0])
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(write, f"b{n}", batch) for n, batch in enumerate(batches[1:])]
        while not all(one.done() for one in writes):
            list(repair.rebuild(get_engine(), today))
        for one in writes:
            one.result()
    assert stored() == oracle.daily(event for batch in batches for event in batch)


def test_a_day_whose_events_are_gone_is_left_alone() -> None:
    write("b", made_up(50, random.Random(5), days=0.4))
    with transaction() as connection:
        connection.execute(text("DROP TABLE account_event_p20261123"))
        assert repair.recomputable(connection, NOW.date(), NOW.date()) == []


@pytest.mark.parametrize("by", BY)
def test_statistics_add_up_by(by: By) -> None:
    events = made_up(800, random.Random(11))
    write("b", events)
    first, last = NOW.date() - timedelta(days=9), NOW.date()
    rows = read(first, last, by)
    sums: dict[tuple[object, ...], Counter[str]] = defaultdict(Counter)
    accounts: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for (day, platform, account, group), figures in oracle.daily(events).items():
        key = {"account": (day, platform, account), "group": (day, platform, group or None)}.get(
            by, (day, platform)
        )
        sums[key].update({name: figures[name] for name in ("succeeded", "failed", "timed", "content")})
        accounts[key].add(account)
    found = {
        {"account": (one.day, one.platform, one.account), "group": (one.day, one.platform, one.group)}.get(
            by, (one.day, one.platform)
        ): one
        for one in rows
    }
    assert len(found) == len(rows)
    assert found.keys() == sums.keys()
    for key, one in found.items():
        assert (
            Counter(
                {
                    "succeeded": one.succeeded,
                    "failed": one.failed,
                    "timed": one.timed,
                    "content": Fraction(one.content),
                }
            )
            == sums[key]
        )
        assert one.accounts == len(accounts[key])
        tried = one.succeeded + one.failed
        assert one.facts()["success_rate"] == (one.succeeded / tried if tried else None)


def test_an_account_in_two_groups_has_one_row_with_its_last_levels() -> None:
    at = NOW.timestamp() - 100
    subject = ("insta", "anna")
    write(
        "b",
        [
            Event("followers_counted", at, *subject, "spring", {"followers": 100}),
            Event("engagement_recorded", at, *subject, "spring", {"likes": 6, "comments": 3}),
            Event("followers_counted", at + 9, *subject, "autumn", {"followers": 90}),
            Event("account_scraped", at + 9, *subject, "autumn", {}),
        ],
    )
    (row,) = read(NOW.date(), NOW.date(), "account")
    assert (row.levels["followers"], row.succeeded, row.engagements, row.audience) == (90, 1, 9, 90)
    assert row.facts()["engagement_rate"] == 0.1
    by_group = {one.group: one for one in read(NOW.date(), NOW.date(), "group")}
    assert {name: one.levels["followers"] for name, one in by_group.items()} == {"spring": 100, "autumn": 90}
    only = read(NOW.date(), NOW.date(), "account", Wanted(group="spring"))
    assert [(one.succeeded, one.levels["followers"]) for one in only] == [(0, 100)]


def test_pages_are_the_whole() -> None:
    write("b", made_up(500, random.Random(2)))
    first, last = NOW.date() - timedelta(days=9), NOW.date()
    whole, pages, after = read(first, last, "account"), [], {}
    while part := read(first, last, "account", page=Page(7, after)):
        pages += part
        after = {"day": part[-1].day, "platform": part[-1].platform, "account": part[-1].account}
    assert pages == whole


def test_growth_is_the_difference_of_days() -> None:
    rng = random.Random(23)
    events = []
    for weeks in range(6):
        now = NOW - timedelta(weeks=weeks)
        some = [
            Event(
                "followers_counted",
                now.timestamp() - rng.randrange(7 * 86_400),
                rng.choice(["insta", "tube"]),
                f"a{rng.randrange(30)}",
                None,
                {"followers": rng.randrange(10_000)},
            )
            for _ in range(60)
        ]
        write(f"b{weeks}", some, now)
        events += some
    day = NOW.date() - timedelta(days=1)
    known = {span: oracle.followers_at(events, day - timedelta(days=span)) for span in (0, 1, 7, 30)}
    with transaction() as connection:
        accounts = growth.by_account(connection, day, ALL, WHOLE)
        totals = growth.by_platform(connection, day, ALL)
    mine = {(one.platform, one.account): one for one in accounts}
    assert {key: one.followers for key, one in mine.items() if one.accounts} == known[0]
    for at, span in enumerate((1, 7, 30)):
        both = known[0].keys() & known[span].keys()
        changes = {key: one.changes[at] for key, one in mine.items() if one.changes[at].accounts}
        assert {key: (one.before, one.after) for key, one in changes.items()} == {
            key: (known[span][key], known[0][key]) for key in both
        }
        for total in totals:
            there = [key for key in both if key[0] == total.platform]
            grown = sum(known[0][key] - known[span][key] for key in there)
            assert total.changes[at].accounts == len(there)
            assert total.changes[at].facts()[f"growth_{span}d"] == (grown if there else None)


def test_freshness_of_accounts_and_platforms(environment: pytest.MonkeyPatch) -> None:
    use_environment(environment, STALE_AFTER="1h", STALE_AFTER_ON="tube=2h", ACCOUNTS_KEPT="2d")
    at = NOW.timestamp()
    write(
        "b",
        [
            Event("account_scraped", at - 60, "insta", "fresh", "spring", {}),
            Event("account_scraped", at - 5400, "insta", "stale", None, {}),
            Event("scrape_failed", at - 10, "insta", "never", None, {"reason": "login_wall"}),
            Event("account_scraped", at - 5400, "tube", "fresh there", None, {}),
            Event("account_scraped", at - 200_000, "tube", "gone", None, {}),
        ],
    )
    with transaction() as connection:
        by_platform = freshness.by_platform(connection, NOW, ALL)
        accounts = freshness.by_account(connection, NOW, ALL, WHOLE)
        stale = freshness.by_account(connection, NOW, ALL, WHOLE, stale=True)
        only = freshness.by_account(connection, NOW, Wanted(group="spring"), WHOLE)
    insta, tube = (one.facts() for one in by_platform)
    assert (insta["accounts"], insta["stale"], insta["never"], insta["stale_share"]) == (3, 2, 1, 2 / 3)
    assert (insta["age_seconds"], insta["age_p50"], insta["age_max"]) == (60, 60, 5400)
    assert (tube["accounts"], tube["stale"], tube["age_seconds"]) == (1, 0, 5400)
    assert [(one.account, one.age, one.stale) for one in accounts] == [
        ("fresh", 60, False),
        ("never", None, True),
        ("stale", 5400, True),
        ("fresh there", 5400, False),
    ]
    assert [one.account for one in stale] == ["never", "stale"]
    assert [one.account for one in only] == ["fresh"]


def test_one_writer_keeps_the_figures_of_platforms_as_samples_and_for_all_who_show_them() -> None:
    at = NOW.timestamp()
    write(
        "b",
        [
            Event("account_scraped", at - 90, "insta", "anna", None, {"duration": 0.3}),
            Event("account_scraped", at - 90_000, "insta", "bob", None, {}),
            Event("scrape_failed", at - 80, "insta", "bob", None, {"reason": "x"}),
            Event("followers_counted", at - 90, "insta", "anna", None, {"followers": 200}),
            Event("followers_counted", at - 90, "insta", "bob", None, {"followers": 1000}),
            Event("engagement_recorded", at - 90, "insta", "anna", None, {"likes": 15, "shares": 5}),
            Event("followers_counted", at - 90, "insta", "eve", None, {"followers": 1}),
        ],
    )
    for _ in range(2):
        with transaction() as connection:
            assert platforms.publish(connection, NOW) == 1
    with transaction() as connection:
        (found,) = platforms.published(connection, NOW)
        rows = connection.execute(
            text("SELECT name, labels, value FROM samples JOIN series ON series.id = series_id")
        ).all()
    assert dict(found.accounts()) == {"ok": 1, "failing": 1, "unscraped": 1}
    ages = dict(found.ages())
    assert (ages["60.0"], ages["300.0"], ages["86400.0"], ages["+Inf"]) == (0, 1, 1, 2)
    values = {(row.name, *sorted(set(row.labels.values()) - {"insta"})): row.value for row in rows}
    assert values["accounts", "ok"] == 1
    assert values["accounts_stale",] == 2
    assert values["followers",] == 1201
    assert values["engagement_ratio",] == 0.1
    assert values["engaged_followers",] == 200
    assert values["engagement", "likes"] == 15
    assert values["scrape_last_success_timestamp_seconds",] == at - 90
    assert values["data_age_seconds_bucket", "300.0"] == 1
    assert values["data_age_seconds_count",] == 2
    assert values["data_age_seconds_sum",] == 90_090
    assert len([row for row in rows if row.name == "accounts_stale"]) == 1


def test_a_report_with_an_id_is_stored_once_however_often_it_is_sent() -> None:
    """In the same batch, in a later one, and in batches that are written at the same time."""
    at = NOW.timestamp() - 60
    subject = ("insta", "anna", None)
    mine = [
        Event("account_scraped", at, *subject, {"id": f"s{number}", "duration": 1.0}) for number in range(20)
    ]
    others = [Event("content_found", at, *subject, {"id": f"s{number}"}) for number in range(20)]
    write("first", [*mine, *others, *mine[:5]])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write(f"again-{n}", [*mine[n:], *others[:n], *fresh(at, n)]), range(8)))
    assert stored() == oracle.daily([*mine, *others, *fresh(at, 0)])
    with transaction() as connection:
        counted = connection.scalar(
            text("SELECT count(*) FROM samples JOIN series ON series_id = id WHERE name = 'scrapes_total'")
        )
    assert counted == 21


def fresh(at: float, batch: int) -> list[Event]:
    """A report that every batch of several brings, in another place of each."""
    event = Event("account_scraped", at, "insta", "bob", "vip", {"id": "once"})
    return [event] * (batch % 2 + 1)
