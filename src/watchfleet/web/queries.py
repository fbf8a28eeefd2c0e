"""The blueprint of `/api/queries`: which kinds of queries take the time, as `watchfleet queries` tells."""

from flask import Blueprint

from watchfleet.clock import utcnow
from watchfleet.detectors import slow_queries
from watchfleet.web import parameters
from watchfleet.web.parameters import Answer

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


@api.get("/api/queries/<fingerprint>")
@parameters.answers
def query(fingerprint: str) -> Answer:
    """One kind, its newest slow queries, who waited for it and who asked it again and again."""
    now = utcnow()
    start, limit = now - parameters.duration("since", "1h"), parameters.limit(20, slow_queries.MOST_SLOW)
    with parameters.reading() as connection:
        found = slow_queries.details(connection, fingerprint, start, now, limit)
    return Answer(found, found["slow"], 200 if any(found.values()) else 404)
