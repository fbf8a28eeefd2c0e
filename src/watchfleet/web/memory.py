"""The blueprint of `/api/memory`: what processes' memory does, as `watchfleet memory list --json`."""

from flask import Blueprint

from watchfleet.clock import utcnow
from watchfleet.detectors import processes
from watchfleet.settings import get_settings
from watchfleet.web import parameters
from watchfleet.web.parameters import Answer

api = Blueprint("memory", __name__)


@api.get("/api/memory")
@parameters.answers
def memory() -> Answer:
    """Every process that was heard of lately, leaks first; of `process` only the one of that name."""
    wanted = parameters.given("process")
    with parameters.reading() as connection:
        found = processes.judged(connection, utcnow(), get_settings().memory_leak_bytes_per_hour)
    rows = [one.facts() for one in found if wanted in (None, "", one.name)]
    return Answer({"processes": rows}, rows, 404 if wanted and not rows else 200)
