"""The blueprint of `/api/notifications`, `/api/alerts` and `/api/silences`: audit and acknowledgements."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy.exc import TimeoutError as NoConnectionError

from watchfleet.db.engine import server_clock, transaction
from watchfleet.errors import StoreUnavailableError
from watchfleet.notify import acknowledgements, answer, audit, outbox, pipeline, silences
from watchfleet.notify.acknowledgements import AcknowledgementError
from watchfleet.notify.audit import Asked
from watchfleet.notify.overview import Filter, alerts_of, flapping_until
from watchfleet.notify.policy import get_policy
from watchfleet.settings import get_settings
from watchfleet.web.access import refusal
from watchfleet.web.alertmanager_forms import FormError, matchers, read_instant

api = Blueprint("notifications", __name__, url_prefix="/api")


class _NotFoundError(FormError):
    """There is nothing of that name."""


def _answers(view: Callable[..., Any]) -> Callable[..., Response]:
    """A view as JSON, for those who may."""

    @wraps(view)
    def answered(**arguments: str) -> Response:
        refused = refusal()
        if refused is not None:
            return refused
        try:
            return _answer(view(**arguments))
        except _NotFoundError as error:
            return _answer({"error": str(error)}, 404)
        except (FormError, AcknowledgementError) as error:
            return _answer({"error": str(error)}, 400)
        except (StoreUnavailableError, NoConnectionError):
            return _answer({"error": "the store does not answer"}, 503)

    return answered


@api.get("/notifications")
@_answers
def notifications() -> Any:
    """Who was told and who was not, the newest first.

    Parameters: `alert` (a fingerprint), `state`, `channel`, `receiver`, `since`, `until`, `before` (a number,
    for the next page) and `limit`.
    """
    given = request.args
    asked = Asked(
        fingerprint=given.get("alert"),
        state=given.get("state"),
        channel=given.get("channel"),
        receiver=given.get("receiver"),
        since=read_instant(given.get("since"), "since"),
        until=read_instant(given.get("until"), "until"),
        before=_number("before", None),
        limit=_number("limit", 50) or 50,
    )
    with transaction() as connection:
        found = audit.find(connection, asked)
    return {"notifications": [answer.notification(one) for one in found]}


@api.get("/notifications/<name>")
@_answers
def notification(name: str) -> Any:
    """One notification, by its number or its delivery id."""
    with transaction() as connection:
        found = audit.get(connection, name)
    if found is None:
        raise _NotFoundError(f"there is no notification {name}")
    return answer.notification(found)


@api.post("/notifications/<int:number>/replay")
@_answers
def replay(number: int) -> Any:
    """Have a notification that was given up tried again."""
    with transaction() as connection:
        count = outbox.replay(connection, [number], server_clock(connection))
        pipeline.ring(connection)
    if not count:
        raise _NotFoundError(f"there is no dead notification {number}")
    return {"replayed": count}


@api.get("/alerts")
@_answers
def alerts() -> Any:
    """The alerts that fire, and how they stand; `filter` holds matchers."""
    wanted, policy = Filter(matchers(request.args.getlist("filter"))), get_policy(get_settings())
    with transaction() as connection:
        now = server_clock(connection)
        found = alerts_of(connection, policy, wanted, now)
        names = [one.alert.fingerprint for one in found]
        words = acknowledgements.in_force(connection, names, now)
    return {
        "alerts": [
            answer.alert(
                one,
                words.get(one.alert.fingerprint),
                flapping_until=flapping_until(policy, one.alert, now),
            )
            for one in found
        ]
    }


@api.get("/alerts/<fingerprint>")
@_answers
def alert(fingerprint: str) -> Any:
    """An alert's whole life."""
    with transaction() as connection:
        found = audit.life(connection, fingerprint)
    if found.is_empty:
        raise _NotFoundError(f"nothing is known of an alert {fingerprint}")
    return answer.life(found)


@api.post("/alerts/<fingerprint>/acknowledgement")
@_answers
def acknowledge(fingerprint: str) -> Any:
    """Acknowledge an alert: `{"by": ..., "comment": ..., "until": ...}`, the last optional."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise FormError('send JSON, such as {"by": "anna", "comment": "on it"}')
    until: datetime | None = read_instant(body.get("until"), "until")
    with transaction() as connection:
        made = acknowledgements.acknowledge(
            connection,
            fingerprint,
            str(body.get("by") or ""),
            str(body.get("comment") or ""),
            server_clock(connection),
            expires_at=until,
        )
    return answer.acknowledgement(made)


@api.delete("/alerts/<fingerprint>/acknowledgement")
@_answers
def withdraw(fingerprint: str) -> Any:
    """Withdraw the acknowledgement of an alert; `by` says who does."""
    with transaction() as connection:
        by, now = request.args.get("by", "the API"), server_clock(connection)
        if not acknowledgements.withdraw(connection, fingerprint, by, now):
            raise _NotFoundError(f"nobody has acknowledged {fingerprint}")
    return {"withdrawn": fingerprint}


@api.get("/silences")
@_answers
def list_silences() -> Any:
    """The silences, with the times at which they hold; they are made by `/api/v2/silences`."""
    with transaction() as connection:
        now, found = server_clock(connection), silences.every(connection)
    return {"silences": [answer.silence(one, now) for one in found]}


def _number(name: str, default: int | None) -> int | None:
    given = request.args.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise FormError(f"{name}: {given!r} is no whole number")
    return int(given)


def _answer(body: Any, code: int = 200) -> Response:
    response = Response(json.dumps(body), code, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
