"""Any service that Apprise knows, by its URL.

Apprise's plugins speak for themselves: through proxies, without one deadline, to wherever their URL says. So
they do it in a process of their own, which gets the URL by its standard input, whose every connection
passes the address guard, and which is ended when its time is up.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, Self

from watchfleet.errors import ConfigError, DeliveryError
from watchfleet.http import settled
from watchfleet.model import Message, Receipt, Severity
from watchfleet.notify.receivers import AppriseConfig
from watchfleet.notify.templates import render
from watchfleet.notify.text import clean, distinction, facts, one_line, texts, title
from watchfleet.settings import Settings

SENDER: Final = Path(__file__).with_name("apprise_sender.py")
TIMEOUT: Final = 15.0
_KINDS: Final = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
_KEPT: Final = ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT")
_BODY_CAP: Final = 4_000
_LISTED: Final = 30


class AppriseChannel:
    """Sends each notification through one of Apprise's plugins.

    Args:
        url: Apprise's URL of the service.
        allow: Networks that may always be reached.
        timeout: Seconds for one try.
        templates: Make the title and the text.
    """

    config = AppriseConfig

    def __init__(self, url: str, allow: tuple[str, ...], timeout: float, templates: tuple[str, str]) -> None:
        if "://" not in url:
            raise ConfigError("the apprise url is none", mend="write it like json://host/path or tgram://...")
        self._url, self._allow, self._timeout, self._templates = url, allow, timeout, templates

    @classmethod
    def from_config(cls, config: AppriseConfig, settings: Settings) -> Self:
        """The channel."""
        timeout = config.timeout.total_seconds() or TIMEOUT
        return cls(config.secret("url"), tuple(settings.outgoing_allow), timeout, (config.title, config.text))

    def send(self, message: Message) -> Receipt:
        """Send it; taken when the plugin says so."""
        answer = self._run(self._request(message))
        if answer["ok"]:
            return Receipt(one_line(answer["detail"], 300) or "sent", extra={"status": answer["status"]})
        if answer["reason"]:
            raise DeliveryError(answer["reason"], permanent=answer["permanent"], detail=answer["detail"])
        if answer["status"]:
            raise settled(answer["status"], answer["retry_after"], answer["detail"])
        raise DeliveryError("apprise_failed", permanent=False, detail=answer["detail"])

    def _request(self, message: Message) -> dict[str, Any]:
        heading, text = (render(template, message).text for template in self._templates)
        return {
            "url": self._url,
            "allow": self._allow,
            "title": one_line(heading or title(message), 200),
            "body": clean(text or _body(message), _BODY_CAP),
            "kind": _KINDS[message.severity] if message.status == "firing" else "success",
            "timeout": self._timeout,
        }

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        # Without the folder of the program, where our email would hide that of the standard library.
        command = [sys.executable, "-P", str(SENDER)]
        try:
            done = subprocess.run(
                command,
                input=json.dumps(request).encode(),
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                capture_output=True,
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DeliveryError(
                "timeout", permanent=False, detail=f"not done in {self._timeout:g} s"
            ) from None
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            detail = done.stderr.decode("utf-8", "replace")[-500:]
            raise DeliveryError("apprise_failed", permanent=False, detail=detail) from None
        return answer


def _body(message: Message) -> str:
    if message.count == 1:
        told = texts(message.alerts[0])
    else:
        listed = message.alerts[:_LISTED]
        more = message.count - len(listed)
        told = [": ".join([distinction(each, message), *texts(each)[:1]]) for each in listed]
        told += [f"and {more} more"] if more else []
    lines = [f"{name}: {one_line(value, 300)}" for name, value in facts(message)]
    return "\n".join([*told, "", *lines])
