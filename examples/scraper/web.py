"""The scraper's web side: what the ledger says, and a scrape on demand. Part of the service `scraper`."""

import ledger
from flask import Flask
from flask.typing import ResponseReturnValue
from platforms import accounts
from scraper import ACCOUNTS, scrape_account

import watchfleet

app = Flask(__name__)
watchfleet.instrument(app)


@app.get("/")
def totals() -> ResponseReturnValue:
    """Every account's scrapes."""
    return {"accounts": ledger.totals()}


@app.post("/accounts/<platform>/<account>/scrape")
def scrape(platform: str, account: str) -> ResponseReturnValue:
    """Have one account scraped now."""
    followed = [subject for subject in accounts(ACCOUNTS) if subject[:2] == (platform, account)]
    if not followed:
        return {"error": f"{account} on {platform} is not followed"}, 404
    return {"task": scrape_account.delay(*followed[0]).id}, 202
