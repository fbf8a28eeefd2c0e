"""Where notifications go: one file a channel.

Another distribution adds a channel by the entry point group `watchfleet.channels`; ours win over a channel
of the same name.
"""

import logging
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from watchfleet import fleet
from watchfleet.errors import DeliveryError
from watchfleet.model import Message, Receipt
from watchfleet.notify.channel import Channel, Sender
from watchfleet.settings import Settings

logger = logging.getLogger(__name__)

CHANNELS: Final = {
    "log": "alert_channels.log:LogChannel",
    "webhook": "alert_channels.webhook:WebhookChannel",
    "email": "alert_channels.email:EmailChannel",
    "slack": "alert_channels.slack:SlackChannel",
    "sentry": "alert_channels.sentry:SentryChannel",
}
_said: Final[set[str]] = set()


class Off:
    """Stands for a channel that rows wait for, but that no setting configures any more."""

    def __init__(self, name: str, needs: str) -> None:
        self.name, self.needs = name, needs

    def send(self, message: Message) -> Receipt:
        """Give the notification up: dead, visible, replayable."""
        detail = f"the channel {self.name} is off; notification {message.delivery_id} needs {self.needs}"
        raise DeliveryError("channel_off", permanent=True, detail=detail)


@lru_cache
def load(name: str) -> type[Channel]:
    """The class of a channel, imported on first use.

    Raises:
        LookupError: There is no channel of that name.
    """
    if name in CHANNELS:
        module, _, attribute = CHANNELS[name].partition(":")
        found: Any = getattr(import_module(module), attribute)
    else:
        found = next((point.load() for point in entry_points(group="watchfleet.channels", name=name)), None)
    if found is None:
        raise LookupError(f"there is no channel {name!r}; there are {', '.join(fleet.channel_names())}")
    channel: type[Channel] = found
    return channel


def enabled(settings: Settings) -> tuple[str, ...]:
    """The channels that have a receiver, in their order; each that has none says so once a process."""
    return tuple(name for name in fleet.channel_names() if _is_on(name, settings))


def sender(name: str, settings: Settings) -> Sender:
    """The channel, ready to send.

    Raises:
        ConfigError: A setting of it cannot be used.
        LookupError: There is no channel of that name.
    """
    kind = load(name)
    return kind.from_settings(settings) if kind.configured(settings) else Off(name, kind.needs)


def _is_on(name: str, settings: Settings) -> bool:
    try:
        kind = load(name)
        on, why = kind.configured(settings), f"it needs {kind.needs}"
    except Exception as error:  # noqa: BLE001 - a broken channel never stops the others
        on, why = False, f"it cannot be used: {type(error).__name__}: {error}"
    if not on and name not in _said:
        _said.add(name)
        logger.info("the channel %s is off: %s", name, why)
    return on
