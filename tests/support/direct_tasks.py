"""Notifications as tasks that carry them, without an outbox: what a storm must show to be wrong."""

from typing import Any

from celery import shared_task
from pydantic import TypeAdapter

import alert_channels
from watchfleet.errors import DeliveryError
from watchfleet.model import Destination, Message
from watchfleet.settings import get_settings


@shared_task(bind=True, name="storm.direct", max_retries=5, retry_backoff=True)
def direct(self: Any, destination: list[Any], content: dict[str, Any]) -> None:
    message = TypeAdapter(Message).validate_python(content)
    try:
        alert_channels.sender(Destination(*destination), get_settings()).send(message)
    except DeliveryError as error:
        raise self.retry(exc=error, countdown=1) from error
