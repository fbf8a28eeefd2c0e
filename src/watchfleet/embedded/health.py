"""Whether the fleet says of itself that it is ready."""

import http.client

from watchfleet.embedded.ports import HOST

_SECONDS = 5


def why_not_ready(port: int) -> str:
    """What `GET /health/ready` has against it; empty when it answers 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        body = response.read(2000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"the web process does not answer: {error}"
    finally:
        connection.close()
    return "" if response.status == 200 else f"/health/ready answers {response.status}: {body}"
