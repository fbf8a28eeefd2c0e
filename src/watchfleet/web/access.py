"""Who may write over HTTP, and who may read what is not for everybody."""

import hmac
from ipaddress import ip_address
from typing import Final

from flask import Response, request

from watchfleet.settings import get_settings

_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


def refusal() -> Response | None:
    """The answer to a request that may not write; None if it may.

    With `api_token` set, whoever sends it may, as a bearer token or a password, and nobody else. Without it,
    programs of this machine may: a request that a proxy passed on is not one of theirs.
    """
    token = get_settings().api_token
    if token is None:
        return None if _is_local() else _answer(403, "writing from another machine needs API_TOKEN to be set")
    return token_refusal(token.get_secret_value())


def token_refusal(token: str | None) -> Response | None:
    """The answer to a request without the token; None if it has it. Without a token nobody has it."""
    if not token:
        return _answer(403, "this needs API_TOKEN to be set")
    given = _given()
    if not given:
        return _answer(401, "send the API token as a bearer token, or as a password")
    if not hmac.compare_digest(given.encode(), token.encode()):
        return _answer(401, "the token is wrong")
    return None


def _given() -> str:
    """The token that came with the request; clients that know no bearer tokens send it as a password."""
    given = request.authorization
    if given is None or given.type not in {"bearer", "basic"}:
        return ""
    return (given.token if given.type == "bearer" else given.password) or ""


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
        answer.headers["WWW-Authenticate"] = 'Bearer, Basic realm="watchfleet"'
    return answer
