"""The blueprint of `/api/v2/...`: Alertmanager's HTTP API, for Prometheus, amtool and other clients."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, Response, current_app, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from werkzeug.exceptions import RequestEntityTooLarge

from watchfleet import __version__
from watchfleet.clock import utcnow
from watchfleet.db.engine import is_outage, server_clock, transaction
from watchfleet.errors import StoreUnavailableError
from watchfleet.notify import pipeline, silences
from watchfleet.notify.overview import Filter, alerts_of, groups_of
from watchfleet.notify.policy import get_policy
from watchfleet.notify.published import alertmanager_configuration
from watchfleet.notify.silences import SilenceError, UnknownSilenceError
from watchfleet.settings import get_settings
from watchfleet.web import alertmanager_forms as forms
from watchfleet.web.access import refusal
from watchfleet.web.alertmanager_forms import FormError

api = Blueprint("alertmanager", __name__, url_prefix="/api/v2")

WAKE: Final = "watchfleet.wake"
Wake = Callable[[Sequence[str]], None]
SPEAKS: Final = "0.25.0"
"""The Alertmanager whose API this is."""
LARGEST_BODY: Final = 32 << 20
_STARTED: Final = utcnow()
_OUTAGES: Final = (StoreUnavailableError, NoConnectionError, DBAPIError)

View = Callable[..., Any]


def _answers(view: View) -> Callable[..., Response]:
    """A view as JSON, for those who may; what is wrong is a JSON string, as Alertmanager's."""

    @wraps(view)
    def answered(**arguments: str) -> Response:
        refused = refusal()
        if refused is not None:
            return refused
        request.max_content_length = LARGEST_BODY
        try:
            found = view(**arguments)
        except RequestEntityTooLarge:
            return _answer(f"the body has more than {LARGEST_BODY} bytes", 413)
        except FormError as error:
            return _answer(str(error), 400)
        except UnknownSilenceError as error:
            return _answer(str(error), 404)
        except _OUTAGES as error:
            if not isinstance(error, DBAPIError) or is_outage(error):
                return _answer("the store is away", 503)
            raise
        return found if isinstance(found, Response) else _answer(found)

    return answered


@api.get("/status")
@_answers
def status() -> Any:
    """Which Alertmanager this answers like, and its configuration without receivers' secrets."""
    blank = dict.fromkeys(("buildDate", "buildUser", "goVersion"), "")
    return {
        "cluster": {"status": "disabled", "peers": []},
        "versionInfo": {"version": SPEAKS, "branch": "watchfleet", "revision": __version__, **blank},
        "config": {"original": alertmanager_configuration(get_policy(get_settings()))},
        "uptime": forms.instant(_STARTED),
    }


@api.get("/receivers")
@_answers
def receivers() -> Any:
    """The names of the receivers."""
    return [{"name": name} for name in sorted(get_policy(get_settings()).receivers)]


@api.get("/alerts")
@_answers
def alerts() -> Any:
    """The alerts that fire, by default all of them."""
    wanted, policy = _filter(), get_policy(get_settings())
    with transaction() as connection:
        now = server_clock(connection)
        found = alerts_of(connection, policy, wanted, now)
    return [forms.alert(one, policy.resolve_timeout, now) for one in found]


@api.post("/alerts")
@_answers
def post_alerts() -> Any:
    """Take in alerts; those that are not valid are told, and the others are in all the same."""
    policy, body = get_policy(get_settings()), _body()
    with transaction() as connection:
        now = server_clock(connection)
        taken, faults = forms.read_alerts(body, policy.resolve_timeout, now)
        wake: Wake | None = current_app.extensions[WAKE]
        channels = pipeline.submit(connection, policy, taken, now, wakes=wake is not None)
    if wake is not None:
        wake(channels)
    return _answer("; ".join(faults), 400) if faults else Response(status=200)


@api.get("/alerts/groups")
@_answers
def groups() -> Any:
    """The groups that alerts are told in."""
    wanted, policy = _filter(), get_policy(get_settings())
    with transaction() as connection:
        now = server_clock(connection)
        found = groups_of(connection, policy, wanted, now)
    return [
        {
            "labels": group.labels,
            "receiver": {"name": group.receiver},
            "alerts": [forms.alert(one, policy.resolve_timeout, now) for one in group.alerts],
        }
        for group in found
    ]


@api.get("/silences")
@_answers
def list_silences() -> Any:
    """The silences, also those that are over; `filter` keeps those with such matchers."""
    wanted = forms.matchers(request.args.getlist("filter"))
    with transaction() as connection:
        now, found = server_clock(connection), silences.every(connection)
    kept = [one for one in found if forms.is_about(one, wanted)]
    return [forms.silence(one, now) for one in forms.in_order(kept, now)]


@api.post("/silences")
@_answers
def post_silence() -> Any:
    """Make a silence, or change the one of its id."""
    wanted = forms.read_silence(_body())
    with transaction() as connection:
        try:
            name = silences.put(connection, wanted, server_clock(connection))
        except UnknownSilenceError:
            raise
        except SilenceError as error:
            raise FormError(f"failed to create silence: {error}") from error
    return {"silenceID": str(name)}


@api.get("/silence/<name>")
@_answers
def get_silence(name: str) -> Any:
    """One silence."""
    with transaction() as connection:
        return forms.silence(silences.get(connection, _id(name)), server_clock(connection))


@api.delete("/silence/<name>")
@_answers
def expire_silence(name: str) -> Any:
    """End a silence."""
    with transaction() as connection:
        try:
            silences.expire(connection, _id(name), server_clock(connection))
        except UnknownSilenceError:
            raise
        except SilenceError as error:
            return _answer(str(error), 500)  # as there: clients know no other code for it
    return Response(status=200)


def _id(name: str) -> UUID:
    try:
        return UUID(name)
    except ValueError as error:
        raise UnknownSilenceError(f"{name!r} is no silence's id") from error


def _filter() -> Filter:
    return Filter(
        matchers=forms.matchers(request.args.getlist("filter")),
        receiver=forms.pattern(request.args.get("receiver", "")),
        **{name: forms.boolean(name, request.args.get(name)) for name in ("active", "silenced", "inhibited")},
    )


def _body() -> Any:
    """The JSON that was sent. Its type is asked for, since a web page may send no other site that one."""
    if request.mimetype != "application/json":
        raise FormError("send application/json")
    try:
        return json.loads(request.get_data(cache=False))
    except (ValueError, RecursionError) as error:
        raise FormError(f"the body is not JSON: {error}") from error


def _answer(body: Any, code: int = 200) -> Response:
    headers: Mapping[str, str] = {"Cache-Control": "no-store"}
    return Response(json.dumps(body), code, headers, mimetype="application/json")
