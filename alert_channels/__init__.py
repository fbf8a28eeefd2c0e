"""Where notifications go: one file a channel.

Another distribution adds a channel by the entry point group `watchfleet.channels`; ours win over a channel
of the same name.
"""

from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from watchfleet import fleet
from watchfleet.errors import DeliveryError
from watchfleet.model import Destination, Message, Receipt
from watchfleet.notify.channel import Channel, Sender
from watchfleet.notify.policy import receivers
from watchfleet.settings import Settings

CHANNELS: Final = {
    "log": "alert_channels.log:LogChannel",
    "webhook": "alert_channels.webhook:WebhookChannel",
    "email": "alert_channels.email:EmailChannel",
    "slack": "alert_channels.slack:SlackChannel",
    "sentry": "alert_channels.sentry:SentryChannel",
    "apprise": "alert_channels.apprise:AppriseChannel",
}


class Off:
    """Stands for a destination that rows wait for, but that no configuration names any more."""

    def __init__(self, destination: Destination, needs: str) -> None:
        self.destination, self.needs = destination, needs

    def send(self, message: Message) -> Receipt:
        """Give the notification up: dead, visible, replayable."""
        detail = f"{self.destination} is off; notification {message.delivery_id} needs {self.needs}"
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


def sender(destination: Destination, settings: Settings) -> Sender:
    """What sends to a destination.

    Raises:
        ConfigError: A value of its configuration cannot be used.
        LookupError: There is no channel of that name.
    """
    kind, config = load(destination.channel), receivers(settings).config(destination)
    return Off(destination, kind.config.needs) if config is None else kind.from_config(config, settings)
