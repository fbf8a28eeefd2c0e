"""Whether the fleet says of itself that it is ready."""

import http.client
import json
from base64 import b64encode
from collections.abc import Collection

from watchfleet.embedded.ports import HOST

_SECONDS = 5


def why_not_ready(port: int) -> str:
    """What `GET /health/ready` has against it; empty when it answers 200."""
    status, body = _get(port, "/health/ready", {})
    if status == 0:
        return f"the web process does not answer: {body}"
    return "" if status == 200 else f"/health/ready answers {status}: {body[:2000]}"


def why_flower_is_not_ready(port: int, login: str, families: Collection[str]) -> str:
    """Have Flower ask which workers there are; empty when it knows one of every family.

    Flower asks by itself only when it starts, and would not list a worker that came later.

    Args:
        port: Flower's.
        login: User and password, with a colon between them.
        families: The names of the workers, without their host.
    """
    credentials = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
    status, body = _get(port, "/api/workers?refresh=1", credentials)
    if status != 200:
        return f"Flower does not answer: {body}" if status == 0 else f"Flower answers {status}"
    missing = set(families).difference(node.partition("@")[0] for node in json.loads(body))
    return f"Flower has not heard of: {', '.join(sorted(missing))}" if missing else ""


def _get(port: int, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and body; status 0, and why, when there is no answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_SECONDS)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()
