"""The blueprint of `/api/queries`: which kinds of queries take the time, as `watchfleet queries` tells."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from flask import Blueprint

from watchfleet.clock import utcnow
from watchfleet.detectors import plans, sessions, slow_queries
from watchfleet.detectors.visits import each
from watchfleet.probes.databases import databases
from watchfleet.web import parameters
from watchfleet.web.parameters import Answer

AT_ONCE: Final = 10
"""How many databases are looked at at once: of fifty that hang, an answer waits half a minute at most."""

api = Blueprint("queries", __name__)


@api.get("/api/queries")
@parameters.answers
def queries() -> Answer:
    """The kinds of queries of the time `since`, by default an hour, in the order `order`."""
    now = utcnow()
    order = parameters.one_of("order", slow_queries.ORDERS, "total")
    start, limit = now - parameters.duration("since", "1h"), parameters.limit(20, 1000)
    with parameters.reading() as connection:
        found = slow_queries.top(connection, start, now, order=order, limit=limit)
    rows = [one.facts() for one in found]
    return Answer({"queries": rows}, rows)


@api.get("/api/queries/live")
@parameters.answers
def live() -> Answer:
    """What the databases that are probed are doing now; of `target` only that one."""
    wanted = parameters.given("target")
    known = {name: url for name, url in databases().items() if wanted in (None, name)}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        looks = [
            pool.submit(lambda one: list(each(dict([one]), sessions.read)), one) for one in known.items()
        ]
        seen = [found for look in looks for found in look.result()]
    rows = [{"target": name, **one.facts()} for name, found in seen for one in found]
    answered = [sessions.facts(name, found) for name, found in seen]
    return Answer({"databases": answered, "silent": sorted(known.keys() - dict(seen).keys())}, rows)


@api.get("/api/queries/<fingerprint>")
@parameters.answers
def query(fingerprint: str) -> Answer:
    """One kind, its newest slow queries, who waited for it and who asked it again and again."""
    now = utcnow()
    start, limit = now - parameters.duration("since", "1h"), parameters.limit(20, slow_queries.MOST_SLOW)
    with parameters.reading() as connection:
        found = plans.details(connection, fingerprint, start, now, limit)
    return Answer(found, found["slow"], 200 if any(found.values()) else 404)
