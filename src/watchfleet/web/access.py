"""Who may write over HTTP."""

import hmac
from ipaddress import ip_address
from typing import Final

from flask import Response, request

from watchfleet.settings import get_settings

_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


def refusal() -> Response | None:
    """The answer to a request that may not write; None if it may.

    With `api_token` set, whoever sends it as a bearer token may, and nobody else. Without it, programs of
    this machine may: a request that a proxy passed on is not one of theirs.
    """
    token = get_settings().api_token
    if token is None:
        return None if _is_local() else _answer(403, "writing from another machine needs API_TOKEN to be set")
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        return _answer(401, "send the API token as a bearer token")
    if not hmac.compare_digest(given.token.encode(), token.get_secret_value().encode()):
        return _answer(401, "the token is wrong")
    return None


def _is_local() -> bool:
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ip_address((request.remote_addr or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _answer(status: int, text: str) -> Response:
    answer = Response(f"{text}\n", status, mimetype="text/plain")
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer
