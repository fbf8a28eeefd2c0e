"""Reads the batches that wait on the ingest queue, as the fleet's worker would take them."""

import json
from collections import Counter
from contextlib import closing
from typing import Any, NamedTuple

from redis import Redis

from watchfleet.fleet import INGEST_QUEUE
from watchfleet.metrics.decode import Decoded, decode
from watchfleet.model import Event, Kind, Sample


class Ingested(NamedTuple):
    """What waits, each batch once however often it came.

    Attributes:
        deliveries: Messages by batch id.
        samples: Every sample.
        events: Every event.
    """

    deliveries: Counter[str]
    samples: list[Sample]
    events: list[Event]

    def total(self, name: str, **labels: str) -> float:
        """The sum of an event series' samples, over all series that have the labels."""
        return sum(row.value for row in self.of(name, **labels))

    def of(self, name: str, **labels: str) -> list[Sample]:
        """The samples of a name, of all series that have the labels."""
        return [row for row in self.samples if row.name == name and labels.items() <= row.labels.items()]


def read(url: str) -> Ingested:
    """What waits on the queue; it stays there."""
    with closing(Redis.from_url(url)) as client:
        newest_first = client.lrange(INGEST_QUEUE, 0, -1)
    messages = [_arguments(raw) for raw in reversed(newest_first)]
    deliveries = Counter(batch_id for batch_id, _ in messages)
    batches = [decode(batch) for batch in dict(messages).values()]
    return Ingested(
        deliveries,
        [sample for batch in batches for sample in samples(batch)],
        [Event(*row) for batch in batches for row in batch.events],
    )


def samples(batch: Decoded) -> list[Sample]:
    """A batch's samples, in their order."""
    columns = zip(batch.index.tolist(), batch.ts.tolist(), batch.value.tolist(), strict=True)
    series = [(name, labels, Kind(kind)) for name, labels, kind in batch.series]
    return [Sample(*series[position], ts / 1e6, value) for position, ts, value in columns]


def _arguments(raw: bytes) -> tuple[str, Any]:
    message = json.loads(raw)
    assert message["properties"]["body_encoding"] == "utf-8"
    (batch_id, batch), _, _ = json.loads(message["body"])
    assert message["headers"]["id"] == batch_id
    return batch_id, batch
