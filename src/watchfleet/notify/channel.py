"""What a notification channel is."""

from typing import Protocol, Self

from watchfleet.model import Message, Receipt
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
        needs: The settings without which it is off, for people, such as `SLACK_WEBHOOK_URL`.
    """

    needs: str

    @classmethod
    def configured(cls, settings: Settings) -> bool:
        """Whether the settings name a receiver."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The channel as the settings describe it.

        Raises:
            ConfigError: A setting cannot be used.
        """
