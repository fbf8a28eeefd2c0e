"""The blueprint of `/api/budgets`: how much of each budget is used, as `watchfleet budgets --json`."""

from flask import Blueprint

from watchfleet.budgets import get_budgets
from watchfleet.clock import utcnow
from watchfleet.detectors.budgets import uses
from watchfleet.redact import redact
from watchfleet.web import parameters
from watchfleet.web.parameters import Answer

api = Blueprint("budgets", __name__)


@api.get("/api/budgets")
@parameters.answers
def budgets() -> Answer:
    """Each limit of each budget with its use, and what is wrong with budgets that cannot be used."""
    known = get_budgets()
    with parameters.reading() as connection:
        rows = [one.facts() for one in uses(connection, known, utcnow())]
    return Answer({"budgets": rows, "problems": [redact(str(problem)) for problem in known.problems]}, rows)
