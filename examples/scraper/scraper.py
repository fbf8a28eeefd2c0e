"""A scraper on Celery. `python -m celery -A scraper worker --beat` runs it, its schedule included."""

import os
import time

import ledger
from celery import Celery
from platforms import Profile, ScrapeError, accounts, fetch

import watchfleet
from watchfleet.signals import account_scraped, engagement_recorded, followers_counted, scrape_failed

PERIOD = float(os.environ.get("SCRAPER_PERIOD", "10"))
ACCOUNTS = int(os.environ.get("SCRAPER_ACCOUNTS", "20"))

app = Celery("scraper", broker=os.environ.get("BROKER_URL", "redis://127.0.0.1:6379/0"))
app.conf.update(
    task_default_queue="scraper",  # apart from whatever else is on this broker
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=True,
    broker_connection_retry_on_startup=True,
    beat_scheduler="celery.beat:Scheduler",  # the whole schedule is here, so no file need keep it
    beat_schedule={
        "scrape-all": {"task": "scraper.scrape_all", "schedule": PERIOD, "options": {"expires": PERIOD}}
    },
)

watchfleet.instrument(app)


@app.task(name="scraper.scrape_all")
def scrape_all() -> None:
    """Have every account scraped once."""
    for platform, account, group in accounts(ACCOUNTS):
        scrape_account.apply_async((platform, account, group), expires=PERIOD)


@app.task(name="scraper.scrape_account", throws=(ScrapeError,), soft_time_limit=60, time_limit=90)
def scrape_account(platform: str, account: str, group: str) -> None:
    """Scrape one account, enter it in the ledger, and tell the fleet."""
    started = time.perf_counter()
    subject = {"platform": platform, "account": account, "group": group}
    try:
        profile = fetch(account)
    except ScrapeError as error:
        duration = time.perf_counter() - started
        ledger.write(platform, account, duration, reason=error.reason)
        scrape_failed.send(scrape_account, **subject, duration=duration, reason=error.reason)
        raise
    duration = time.perf_counter() - started
    ledger.write(platform, account, duration, followers=profile.followers)
    account_scraped.send(scrape_account, **subject, duration=duration)
    report(profile, subject)


def report(profile: Profile, subject: dict[str, str]) -> None:
    """Tell the fleet what the page showed."""
    followers_counted.send(scrape_account, **subject, followers=profile.followers, posts=profile.posts)
    engagement_recorded.send(scrape_account, **subject, likes=profile.likes, comments=profile.comments)
