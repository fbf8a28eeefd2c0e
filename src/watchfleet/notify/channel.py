"""What a notification channel is."""

from typing import Any, Protocol

from watchfleet.model import Message, Receipt
from watchfleet.notify.receivers import ChannelConfig
from watchfleet.settings import Settings


class Sender(Protocol):
    """Sends notifications."""

    def send(self, message: Message) -> Receipt:
        """Deliver one notification; returns only when the receiver has taken it.

        It must end within `watchfleet.notify.outbox.DEADLINE`, and may be called by several threads at once.

        Raises:
            DeliveryError: The receiver has not taken it, or did not say so.
        """


class Channel(Sender, Protocol):
    """One kind of receiver.

    Attributes:
        config: The model of an entry of `<channel>_configs`.
    """

    config: type[ChannelConfig]

    @classmethod
    def from_config(cls, config: Any, settings: Settings) -> Sender:
        """What sends for an entry, which is of the class's own `config`.

        Raises:
            ConfigError: A value cannot be used.
        """
