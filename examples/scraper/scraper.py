"""A scraper on Celery. `python -m celery -A scraper worker --beat` runs it, its schedule included."""

import os
import time
from dataclasses import asdict
from typing import Any

import ledger
from celery import Celery
from platforms import ScrapeError, accounts, fetch

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
        "scrape-all": {"task": "scraper.scrape_all", "schedule": PERIOD, "options": {"expires": PERIOD}},
        "report-rest": {"task": "scraper.report_rest", "schedule": PERIOD, "options": {"expires": PERIOD}},
    },
)

# In the spool, what a killed worker recorded waits for the next one.
watchfleet.instrument(app, spool_dir=ledger.path().with_name("spool"))


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
        report(ledger.write(subject, time.perf_counter() - started, reason=error.reason))
        raise
    report(ledger.write(subject, time.perf_counter() - started, **asdict(profile)))


@app.task(name="scraper.report_rest")
def report_rest() -> None:
    """Tell the fleet what a worker that was killed may not have told; what it has already, it takes once."""
    for entry in ledger.unreported(age=PERIOD):
        report(entry)


def report(entry: dict[str, Any]) -> None:
    """Tell the fleet of an entry of the ledger."""
    subject = {name: entry[name] for name in ("platform", "account", "group", "id", "at")}
    if entry["succeeded"]:
        account_scraped.send(scrape_account, **subject, duration=entry["duration"])
        counted = {name: entry[name] for name in ("followers", "posts")}
        followers_counted.send(scrape_account, **subject, **counted)
        engaged = {name: entry[name] for name in ("likes", "comments")}
        engagement_recorded.send(scrape_account, **subject, **engaged)
    else:
        scrape_failed.send(scrape_account, **subject, duration=entry["duration"], reason=entry["reason"])
    ledger.reported(entry)
