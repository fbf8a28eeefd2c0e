"""`watchfleet channels`: who may be told, what they would see, and whether they can be reached."""

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal

import click

from watchfleet.cli._console import make_console, print_table
from watchfleet.cli._root import fleet_root
from watchfleet.clock import utcnow
from watchfleet.errors import ConfigError, DeliveryError, WatchfleetError
from watchfleet.model import Destination, Message, Receipt
from watchfleet.notify.channel import Sender
from watchfleet.notify.policy import receivers
from watchfleet.notify.receivers import Receivers
from watchfleet.notify.samples import sample
from watchfleet.notify.templates import problem, render
from watchfleet.notify.text import facts, texts, title
from watchfleet.redact import redact
from watchfleet.settings import Settings

_STATUS = click.Choice(["firing", "resolved"])
_SEVERITY = click.Choice(["info", "warning", "critical"])
_TEMPLATES = (
    "title", "text", "html", "color", "fallback", "footer", "image_url", "pretext", "thumb_url", "title_link",
)  # fmt: skip


@click.group()
def channels() -> None:
    """List the channels, preview what they send, and test that it arrives.

    NAME is a channel, such as slack, or a receiver of the notification configuration.

    \b
    Examples:
      watchfleet channels list
      watchfleet channels preview slack
      watchfleet channels test slack
    """


@channels.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(*, as_json: bool) -> None:
    """List everyone who may be told; each recipient of a mail on a line of its own.

    \b
    Examples:
      watchfleet channels list
      watchfleet channels list --json
    """
    known = receivers(Settings.load())
    found = [each for receiver in known.by_name.values() for each in receiver.destinations()]
    if as_json:
        for each in found:
            click.echo(json.dumps(each._asdict()))
        return
    lines = [_line(each, known) for each in found]
    print_table(make_console(), ["RECEIVER", "CHANNEL", "RECIPIENT", "RATE", "DIGEST OVER"], lines)


@channels.command()
@click.argument("name")
@click.option("--status", type=_STATUS, default="firing", help="Of the alerts.")
@click.option("--severity", type=_SEVERITY, default="warning", help="Of the alerts.")
@click.option("--alerts", "count", type=click.IntRange(1, 1000), default=1, help="How many.")
def preview(name: str, status: Literal["firing", "resolved"], severity: str, count: int) -> None:
    """Show what NAME's templates, or ours where it has none, make of a notification; nothing is sent.

    Exits 1 when a template cannot be read or fails: notifications then go out as ours make them.

    \b
    Examples:
      watchfleet channels preview slack
      watchfleet channels preview ops --status resolved --alerts 3
    """
    known, failed = receivers(Settings.load()), False
    for destination in _chosen(name, known):
        message = sample(destination, utcnow(), status=status, severity=severity, count=count)
        click.echo(f"--- {destination}")
        failed |= _preview(message, known.config(destination))
    sys.exit(1 if failed else 0)


@channels.command()
@click.argument("name")
@click.option("--status", type=_STATUS, default="firing", help="Of the alert.")
@click.option("--severity", type=_SEVERITY, default="warning", help="Of the alert.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a destination.")
def test(name: str, status: Literal["firing", "resolved"], severity: str, *, as_json: bool) -> None:
    """Send a test to NAME, now and not through the outbox, and show the receipt or the error.

    Exits 1 when anyone of NAME could not be told, 2 when there is nobody of that name.

    \b
    Examples:
      watchfleet channels test slack
      watchfleet channels test ops --severity critical
    """
    settings = Settings.load()
    failed = False
    for destination in _chosen(name, receivers(settings)):
        message = sample(destination, utcnow(), status=status, severity=severity)
        outcome = _try(destination, message, settings)
        failed |= not outcome["delivered"]
        click.echo(json.dumps(outcome) if as_json else _told(outcome))
    sys.exit(1 if failed else 0)


def _chosen(name: str, known: Receivers) -> Sequence[Destination]:
    everyone = [each for receiver in known.by_name.values() for each in receiver.destinations()]
    chosen = [each for each in everyone if name in {each.channel, each.receiver}]
    if not chosen:
        names = sorted({each.channel for each in everyone} | {each.receiver for each in everyone})
        raise ConfigError(
            f"nobody is told by the name {name!r}",
            mend=f"write one of {', '.join(names)}, or configure it first: docs/channels.md",
        )
    return chosen


def _line(destination: Destination, known: Receivers) -> list[str]:
    config = known.config(destination)
    place = f"{destination.channel}[{destination.position}]"
    rate = f"{config.rate_limit:g}/s" if config and config.rate_limit else "-"
    digest = str(config.digest_over) if config and config.digest_over else "-"
    return [destination.receiver, place, destination.part or "-", rate, digest]


def _preview(message: Message, config: Any) -> bool:
    """Print what it would say; returns whether a template of it is no good."""
    failed = False
    templates = {name: getattr(config, name, "") for name in _TEMPLATES}
    made = {name: render(source, message, html=name == "html") for name, source in templates.items()}
    for name, source in templates.items():
        error = problem(source) or made[name].error if source else ""
        if error:
            click.echo(f"watchfleet: the template {name} fails: {error}", err=True)
            failed = True
    click.echo(made["title"].text or title(message))
    written = made["text"].text
    told = [written] if written else [text for alert in message.alerts for text in texts(alert)]
    click.echo("\n".join(told))
    if not written:
        click.echo("\n".join(f"{name}: {value}" for name, value in facts(message)))
    if made["html"].text:
        click.echo(made["html"].text)
    return failed


def _sender(destination: Destination, settings: Settings) -> Sender:
    root = str(fleet_root())
    if root not in sys.path:
        sys.path.insert(0, root)
    found: Sender = import_module("alert_channels").sender(destination, settings)
    return found


def _try(destination: Destination, message: Message, settings: Settings) -> dict[str, Any]:
    outcome: dict[str, Any] = {"destination": str(destination), "delivery_id": message.delivery_id}
    try:
        receipt: Receipt = _sender(destination, settings).send(message)
    except DeliveryError as error:
        again = "" if error.permanent else "; a notification would be tried again"
        return {**outcome, "delivered": False, "reason": error.reason, "detail": redact(f"{error}{again}")}
    except WatchfleetError as error:
        return {**outcome, "delivered": False, "reason": "configuration", "detail": redact(str(error))}
    return {
        **outcome,
        "delivered": True,
        "reason": "delivered",
        "detail": redact(receipt.answer),
        "reference": redact(receipt.reference),
    }


def _told(outcome: dict[str, Any]) -> str:
    mark = "ok    " if outcome["delivered"] else "failed"
    reference = f" ({outcome['reference']})" if outcome.get("reference") else ""
    return f"{mark}  {outcome['destination']}: {outcome['detail']}{reference}"
