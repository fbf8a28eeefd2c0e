"""The blueprint of `/api/memory`: what processes' memory does, as `watchfleet memory list --json`."""

from flask import Blueprint, request
from kombu.exceptions import KombuError
from redis import RedisError

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.detectors import processes
from watchfleet.detectors import snapshots as detector
from watchfleet.detectors.snapshots import UnderWayError, UnknownProcessError
from watchfleet.errors import ConfigError
from watchfleet.metrics import snapshots
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


@api.get("/api/memory/snapshots")
@parameters.answers
def taken() -> Answer:
    """Snapshots of memory, the newest first; of `process` only those of the process of that name."""
    with parameters.reading() as connection:
        rows = [one.facts() for one in snapshots.read(connection, parameters.given("process") or None)]
    return Answer({"snapshots": rows}, rows)


@api.post("/api/memory/snapshots")
@parameters.answers
def take() -> Answer:
    """Ask the process that the JSON names for a snapshot; it is among the others once it is taken."""
    body = request.get_json(silent=True)
    process = body.get("process") if isinstance(body, dict) else None
    if not isinstance(process, str) or not process:
        return Answer({"error": 'the body must be JSON such as {"process": "shop@web1/0"}'}, status=400)
    try:
        with transaction() as connection:
            wanted = detector.ask(connection, process, utcnow())
    except UnknownProcessError as error:
        return Answer({"error": str(error)}, status=404)
    except UnderWayError as error:
        return Answer({"error": str(error)}, status=409)
    except (OSError, KombuError, RedisError, ConfigError):
        return Answer({"error": "the broker does not answer"}, status=503)
    return Answer({"snapshot": wanted.facts()}, status=202)
