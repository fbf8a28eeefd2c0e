"""The blueprint of what everybody may see: `/status`, its feed, and badges."""

from datetime import timedelta
from email.utils import format_datetime
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final
from xml.etree import ElementTree as ET

from flask import Blueprint, Response, current_app, request, url_for
from flask.blueprints import BlueprintSetupState
from jinja2 import Environment, Template

from watchfleet.model import Status
from watchfleet.probes.history import Interval
from watchfleet.probes.report import shown_length, shown_ratio
from watchfleet.settings import get_settings
from watchfleet.web import board as boards
from watchfleet.web.board import DAYS, Board
from watchfleet.web.snapshot import Snapshot

EXTENSION: Final = "watchfleet_board"
SUMMARIES: Final = {
    Status.UP: "Everything works",
    Status.DEGRADED: "Something is slow or impaired",
    Status.DOWN: "Something is down",
    Status.UNKNOWN: "The status of something is not known",
    Status.MAINTENANCE: "Under maintenance",
}
COLOURS: Final = {
    Status.UP: "#1a7f4b",
    Status.DEGRADED: "#b26a00",
    Status.DOWN: "#c62828",
    Status.UNKNOWN: "#6b7280",
    Status.MAINTENANCE: "#3367b0",
}
_CACHING: Final = "max-age=5"
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_CHARACTER: Final = 6.6
"""How wide a character of a badge is about, in pixels."""
_BADGE: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img"'
    ' aria-label="{name}: {text}"><title>{name}: {text}</title>'
    '<rect width="{whole}" height="20" rx="3" fill="#444b55"/>'
    '<rect x="{left}" width="{right}" height="20" rx="3" fill="{colour}"/>'
    '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
    '<text x="6" y="14">{name}</text><text x="{place}" y="14">{text}</text></g></svg>'
)

status = Blueprint("status", __name__)


@status.record_once
def _prepare(state: BlueprintSetupState) -> None:
    state.app.extensions.setdefault(EXTENSION, boards.snapshot())


@status.get("/status")
def page() -> Response:
    """The public targets: how they are, how they were for 90 days, and what happened."""
    board = _board()
    if board is None:
        return _unknown("text/html")
    body = _template().render(
        board=board,
        summary=SUMMARIES[board.worst],
        feed=url_for("status.feed"),
        days=DAYS,
        ratio=shown_ratio,
        lasted=lambda since: shown_length(board.at - since),
        length=_length,
        date=lambda place: f"{board.first + timedelta(days=place):%Y-%m-%d}",
    )
    response = _public(Response(body, mimetype="text/html"))
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@status.get("/status/feed.xml")
def feed() -> Response:
    """What happened, as RSS 2.0."""
    board = _board()
    if board is None:
        return _unknown("text/plain")
    root = ET.Element("rss", version="2.0")
    channel = ET.SubElement(root, "channel")
    where = (get_settings().external_url or request.url_root).rstrip("/") + url_for("status.page")
    for name, text in (("title", "Incidents"), ("link", where), ("description", SUMMARIES[board.worst])):
        ET.SubElement(channel, name).text = text
    for one in board.incidents:
        _item(channel, one, where)
    return _public(Response(ET.tostring(root, "utf-8", xml_declaration=True), mimetype="application/rss+xml"))


@status.get("/badge/<name>.svg")
def badge(name: str) -> Response:
    """The status of a public target as a picture, or with `show=uptime` its uptime over 90 days."""
    board = _board()
    line = board.line(name) if board else None
    if line is None:
        return Response("there is no such public target\n", 404 if board else 503, mimetype="text/plain")
    shows_uptime = request.args.get("show") == "uptime"
    text = shown_ratio(line.whole) if shows_uptime else str(line.status)
    return _public(Response(_drawn(name, text, COLOURS[line.status]), mimetype="image/svg+xml"))


def _board() -> Board | None:
    known: Snapshot[Board] = current_app.extensions[EXTENSION]
    reading = known.get(boards.PATIENCE)
    return reading.value if reading else None


def _item(channel: ET.Element, one: Interval, where: str) -> None:
    item = ET.SubElement(channel, "item")
    lasted = f" since {one.start:%Y-%m-%d %H:%M} UTC" if one.is_open else f" for {_length(one)}"
    be = "is" if one.is_open else "was"
    texts = {
        "title": f"{one.target} {be} {one.status}",
        "description": f"{one.target} {be} {one.status}{lasted}: {one.reason.replace('_', ' ')}",
        "link": where,
        "pubDate": format_datetime(one.start),
    }
    for name, text in texts.items():
        ET.SubElement(item, name).text = text
    ET.SubElement(item, "guid", isPermaLink="false").text = f"{one.target}/{one.start.isoformat()}"


def _length(one: Interval) -> str:
    return shown_length(one.end - one.start)


def _drawn(name: str, text: str, colour: str) -> str:
    left, right = (round(len(part) * _CHARACTER) + 12 for part in (name, text))
    return _BADGE.format(
        name=escape(name),
        text=escape(text),
        colour=colour,
        left=left,
        right=right,
        whole=left + right,
        place=left + 6,
    )


def _public(response: Response) -> Response:
    response.headers["Cache-Control"] = _CACHING
    return response


def _unknown(kind: str) -> Response:
    response = Response("The status is not known at present.\n", 503, mimetype=kind)
    response.headers["Cache-Control"] = "no-store"
    return response


@cache
def _template() -> Template:
    text = files("watchfleet.web").joinpath("status.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)
