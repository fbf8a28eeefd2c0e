"""Signals by which a scraper reports its work, in plain functions and in Celery tasks alike.

They are Celery's own `Signal` objects: a receiver's error never reaches the sender. Where
`watchfleet.instrument()` was never called they have no receiver, and sending does nothing.

    from watchfleet.signals import account_scraped, scrape_failed

    account_scraped.send(None, platform="instagram", account="alice", duration=1.2)
    scrape_failed.send(None, platform="instagram", account="bob", reason="login_wall")

Every signal but `business_metric` speaks of one account and takes, beside the fields named with it:

- `platform` (required), such as `instagram`; at most 64 characters;
- `account` (required), the name or id there; at most 256 characters, or a whole number;
- `group`, the customer, campaign or list that the account belongs to; at most 128 characters;
- `id`, which tells this report from all others of its signal and account; at most 128 characters. Reports
  that come again under the same id are stored once: whoever crashed may send again what may have gone out;
- `at`, when it happened: an aware datetime or Unix seconds, by default now.

`None` stands for a field that is not known. A field that cannot be used is left out, or with it the whole
event when the field is required: that is counted, and logged once, and never raised.
"""

from celery.utils.dispatch import Signal

account_scraped = Signal(name="account_scraped")
"""An account was scraped. `duration`: seconds that it took."""

scrape_failed = Signal(name="scrape_failed")
"""An account could not be scraped. `duration`: seconds until that was clear. `reason`: a short name such
as `login_wall`, or the exception, of which the class's name is kept."""

engagement_recorded = Signal(name="engagement_recorded")
"""What an account's content drew, as the platform shows it now: `likes`, `comments`, `shares`, `views`."""

followers_counted = Signal(name="followers_counted")
"""An account's size now: `followers` (required), `following`, `posts`."""

content_found = Signal(name="content_found")
"""New content was found. `count`: how many pieces, by default one. `kind`: such as `post` or `story`."""

business_metric = Signal(name="business_metric")
"""Any other figure: one sample of one series. `name` and `labels` by Prometheus's rules, `value`, `kind`
(`gauge` by default, `event`, `duration` or `counter`), `at`. An account is no label: each would be a series
of its own."""

ACCOUNT_SIGNALS = (account_scraped, scrape_failed, engagement_recorded, followers_counted, content_found)
"""The signals that speak of one account."""
