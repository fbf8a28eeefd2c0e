"""The blueprint of `/health`, `/health/live` and `/health/ready`; any Flask application can mount it.

`app.register_blueprint(health)` is all it takes. The fleet's settings tell where the cache is.
"""

import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any, Final

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState

from watchfleet import __version__
from watchfleet.probes.health import Assessment, Check, Grade
from watchfleet.probes.targets import get_targets
from watchfleet.settings import get_settings
from watchfleet.web.monitor import CACHED_SECONDS, Health, Monitor

EXTENSION: Final = "watchfleet_monitor"
MEDIA_TYPE: Final = "application/health+json"
NEVER_STORED: Final = "no-store"

health = Blueprint("health", __name__)


@health.record_once
def _prepare(state: BlueprintSetupState) -> None:
    state.app.extensions.setdefault(EXTENSION, Monitor())


def monitor() -> Monitor:
    """The monitor of the application that answers the present request."""
    found: Monitor = current_app.extensions[EXTENSION]
    return found


@health.get("/health/live")
def live() -> Response:
    """This process answers: it needs nothing else for that, so that no outage elsewhere restarts it."""
    return _answer({"status": Grade.PASS}, Grade.PASS, NEVER_STORED)


@health.get("/health/ready")
def ready() -> Response:
    """200 if every required dependency serves, as far as is known, else 503."""
    found = monitor().health()
    grade = Grade.FAIL if found is None else found.grade(time.time())
    return _answer({"status": grade}, grade, NEVER_STORED)


@health.get("/health")
def everything() -> Response:
    """The status for everyone, the checks for who sends the token; in the format of the IETF's draft."""
    return _report(monitor().health())


@health.get("/health/<group>")
def of_group(group: str) -> Response:
    """The same of the targets of one group, each of which is required here."""
    members = [target.name for target in get_targets() if group in target.groups]
    if not members:
        missing = _answer(
            {"status": Grade.FAIL, "output": "there is no such group"}, Grade.FAIL, NEVER_STORED
        )
        missing.status_code = 404
        return missing
    found = monitor().health()
    return _report(found and found.of_group(members))


def _report(found: Health | None) -> Response:
    if _has_wrong_token():
        refused = _refused("the token is wrong", 401)
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused
    now = time.time()
    grade = Grade.FAIL if found is None else found.grade(now)
    trusted = _bearer() is not None and get_settings().api_token is not None
    body = {"status": grade, **(_details(found, now) if trusted and found else {})}
    response = _answer(body, grade, NEVER_STORED if trusted else f"max-age={CACHED_SECONDS:.0f}")
    response.vary.add("Authorization")
    return response


def _details(found: Health, now: float) -> dict[str, Any]:
    assessments = found.assessments(now)
    return {
        "version": "1",
        "releaseId": __version__,
        "serviceId": "watchfleet",
        "description": "health of the fleet and of what it watches",
        "notes": [f"{len(assessments)} checks", f"read {max(0.0, now - found.at):.1f} s ago"],
        "checks": {
            f"{name}:responseTime": [_component(name, found.checks[name], assessment)]
            for name, assessment in assessments.items()
        },
    }


def _component(name: str, check: Check | None, assessment: Assessment) -> dict[str, Any]:
    component: dict[str, Any] = {"componentId": name, "status": assessment.grade}
    if check is not None:
        component |= {
            "componentType": check.kind,
            "observedValue": round(check.duration, 6),
            "observedUnit": "s",
            "time": datetime.fromtimestamp(check.checked_at, UTC).isoformat(),
        }
    if assessment.grade is not Grade.PASS:
        detail = check.detail if check is not None else ""
        component["output"] = ": ".join(part for part in (assessment.reason, detail) if part)
    return component


def _answer(body: dict[str, Any], grade: Grade, caching: str) -> Response:
    response = Response(json.dumps(body), 503 if grade is Grade.FAIL else 200, mimetype=MEDIA_TYPE)
    response.headers["Cache-Control"] = caching
    return response


def _refused(words: str, status: int) -> Response:
    response = _answer({"status": Grade.FAIL, "output": words}, Grade.FAIL, NEVER_STORED)
    response.status_code = status
    return response


def _bearer() -> str | None:
    authorization = request.authorization
    return authorization.token if authorization and authorization.type == "bearer" else None


def _has_wrong_token() -> bool:
    expected, given = get_settings().api_token, _bearer()
    if expected is None or given is None:
        return False
    return not hmac.compare_digest(given.encode(), expected.get_secret_value().encode())
