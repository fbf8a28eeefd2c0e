"""The process in which an Apprise plugin sends: reads one request from standard input, writes one answer.

It is a program of its own and nothing imports it: it patches the libraries that plugins use.
"""

import json
import logging
import sys
from typing import Any

import apprise
import requests

from watchfleet.addresses import Guard, operator_guard

LONGEST = 1_000_000
_seen: dict[str, Any] = {"status": 0, "retry_after": "", "refusal": ""}


def main() -> None:
    """Send, and tell what came of it."""
    request = json.loads(sys.stdin.buffer.read(LONGEST))
    _guard(operator_guard(request["allow"]))
    _watch(request["timeout"])
    said: list[str] = []
    logging.getLogger("apprise").addHandler(_Collector(said))
    service = apprise.Apprise.instantiate(request["url"], suppress_exceptions=True)
    if service is None:
        _answer(ok=False, reason="apprise_url_unknown", detail="Apprise knows no service by this URL")
        return
    try:
        ok = bool(
            service.notify(
                body=request["body"],
                title=request["title"],
                notify_type=request["kind"],
                body_format=apprise.NotifyFormat.TEXT,
            )
        )
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        ok, said[:] = False, [*said, f"{type(error).__name__}: {error}"]
    if _seen["refusal"]:
        _answer(ok=False, reason="address_denied", detail=_seen["refusal"])
    else:
        _answer(ok=ok, detail="sent" if ok else "; ".join(said)[-500:])


def _answer(*, ok: bool, detail: str, reason: str = "") -> None:
    answer = {
        "ok": ok,
        "reason": reason,
        "permanent": True,
        "status": _seen["status"],
        "retry_after": _seen["retry_after"],
        "detail": detail,
    }
    sys.stdout.write(json.dumps(answer))


class _Collector(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())


def _guard(guard: Guard) -> None:
    """Have every connection of this process pass the guard: the interpreter itself tells of each."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "socket.connect" or not isinstance(arguments[1], tuple):
            return
        reason = guard.refusal(str(arguments[1][0]))
        if reason:
            _seen["refusal"] = f"{arguments[1][0]} is refused ({reason}); outgoing_allow can allow it"
            raise ConnectionRefusedError(_seen["refusal"])

    sys.addaudithook(hook)


def _watch(timeout: float) -> None:
    """Have requests follow no redirect and no proxy, end in time, and be remembered."""
    send = requests.Session.send

    def watched(self: requests.Session, request: Any, **options: Any) -> Any:
        options |= {"allow_redirects": False, "timeout": timeout, "proxies": {}}
        response = send(self, request, **options)
        _seen["status"] = response.status_code
        _seen["retry_after"] = response.headers.get("Retry-After", "")
        return response

    requests.Session.send = watched  # type: ignore[method-assign] # this process is the plugin's alone


if __name__ == "__main__":
    main()
