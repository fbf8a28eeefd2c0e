"""The page at `/`: where everything is."""

from typing import Final

from flask import Blueprint, Response

from watchfleet import __version__

pages = Blueprint("pages", __name__)

_LINKS: Final = (
    ("/health", "health", "how the fleet is; with the API token, each check"),
    ("/health/ready", "health/ready", "200 while every required dependency serves"),
    ("/health/live", "health/live", "200 while this process answers"),
    ("/status", "status", "how the public targets are, and were for 90 days"),
    ("/metrics", "metrics", "for Prometheus"),
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>watchfleet</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}</style>
<h1>watchfleet {version}</h1>
<ul>
{links}
</ul>
</html>
"""


@pages.get("/")
def index() -> Response:
    """A list of links."""
    links = "\n".join(f'<li><a href="{path}">{name}</a>: {what}' for path, name, what in _LINKS)
    response = Response(_PAGE.format(version=__version__, links=links), mimetype="text/html")
    response.headers["Cache-Control"] = "max-age=300"
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return response
