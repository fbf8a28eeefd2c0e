"""Receivers for storms: slow and unreliable ones, that note what they took before they say so."""

import gc
import random
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, Envelope, Session
from sentry_sdk.envelope import Envelope as SentryEnvelope
from support.receivers import (
    Answer,
    HttpReceiver,
    Mailbox,
    Request,
    SentryReceiver,
    SlackApi,
    smtp_receiver,
)
from support.relay import Relay, relay_to


class Taken(NamedTuple):
    """A notification that a receiver took: by which channel, under which id."""

    channel: str
    delivery_id: str


@dataclass
class Notes:
    """What all receivers took, in the order in which they took it.

    Attributes:
        fails: How often a receiver answers 503.
        drops: How often it takes a notification and drops the connection.
        slowest: The longest that it takes, in seconds.
    """

    seed: int
    fails: float = 0.02
    drops: float = 0.02
    slowest: float = 0.1
    taken: list[Taken] = field(default_factory=list)
    dropped: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def mood(self) -> str:
        with self._lock:
            pause, luck = self._random.uniform(0, self.slowest), self._random.random()
        time.sleep(pause)
        if luck < self.fails:
            return "fail"
        if luck < self.fails + self.drops:
            self.dropped += 1
            return "drop"
        return "take"

    def take(self, channel: str, delivery_id: str) -> None:
        with self._lock:
            self.taken.append(Taken(channel, delivery_id))


class _Moody(HttpReceiver):
    channel = "webhook"
    notes: Notes

    def answer(self, request: Request) -> Answer:
        mood = self.notes.mood()
        if mood == "fail":
            return Answer(503)
        answer = super().answer(request)
        if answer.status == 200:
            self.note(request)
        return Answer(drop=True) if mood == "drop" else answer

    def note(self, request: Request) -> None:
        self.notes.take(self.channel, request.headers["webhook-id"])


class MoodyWebhook(_Moody):
    pass


class MoodySlack(_Moody, SlackApi):
    channel = "slack"

    def note(self, request: Request) -> None:
        if request.path.endswith("chat.postMessage"):
            self.notes.take("slack", request.json["metadata"]["event_payload"]["delivery_id"])


class MoodySentry(_Moody, SentryReceiver):
    channel = "sentry"

    def note(self, request: Request) -> None:
        event: Any = _event(request.body)
        self.notes.take("sentry", event["extra"]["delivery_id"])


def _event(body: bytes) -> Any:
    return SentryEnvelope.deserialize(body).get_event()


class MoodyMailbox(Mailbox):
    """A mailbox that notes each mail by its Message-ID."""

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self.notes = notes

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd calls it so
        mood = self.notes.mood()
        if mood == "fail":
            return "451 4.3.0 later"
        self.data.extend(["drop"] if mood == "drop" else [])
        before = len(self.mails)
        answer = await super().handle_DATA(server, session, envelope)
        for mail in self.mails[before:]:
            self.notes.take("email", mail["Message-ID"].strip("<>").partition("@")[0])
        return answer


@dataclass
class Receivers:
    """The receivers of a storm, and the relay before one of them."""

    webhook: str
    slack: str
    sentry: str
    smtp_port: int
    relay: Relay


@contextmanager
def moody_receivers(notes: Notes) -> Iterator[Receivers]:
    with ExitStack() as stack:
        opened: list[Any] = []
        for kind in (MoodyWebhook, MoodySlack, MoodySentry):
            receiver = kind()
            receiver.notes = notes
            stack.callback(receiver.close)
            opened.append(receiver)
        webhook, slack, sentry = opened
        relay = stack.enter_context(relay_to(webhook._server.server_port))
        port = stack.enter_context(_mail_server(notes))
        yield Receivers(f"http://127.0.0.1:{relay.port}/hook", slack.url, sentry.dsn, port, relay)


@contextmanager
def _mail_server(notes: Notes) -> Iterator[int]:
    with smtp_receiver(mailbox=MoodyMailbox(notes)) as (_, port):
        yield port
    with warnings.catch_warnings():
        # What was connected when its worker was killed is never told that the server has gone.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
