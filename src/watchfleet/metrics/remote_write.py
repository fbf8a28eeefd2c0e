"""Prometheus's remote write, versions 1 and 2: one request's body into samples.

Sources: "Prometheus Remote-Write 1.0" and "2.0" (prometheus.io, specs); the field numbers are those of
`prometheus.WriteRequest` and `io.prometheus.write.v2.Request`.

A body is taken apart one series at a time, so that what a hostile one unfolds to is bounded: by the length
that snappy declares before anything is unpacked, and by the largest series.
"""

import struct
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final

import cramjam
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from watchfleet.errors import WatchfleetError
from watchfleet.metrics.decode import Decoded
from watchfleet.metrics.exposition import kind_of
from watchfleet.model import Kind

LARGEST_BODY: Final = 8 << 20
LARGEST_UNPACKED: Final = 32 << 20
LARGEST_SERIES: Final = 1 << 20
"""Bytes of one series with its samples."""
MOST_SAMPLES: Final = 500_000
MOST_PARTS: Final = 500_000
"""Series, symbols and metadata together."""
MOST_EXAMPLES: Final = 20
REMEMBERED: Final = 30_000
"""Series whose labels a process remembers by their bytes."""

V1: Final = "prometheus.WriteRequest"
V2: Final = "io.prometheus.write.v2.Request"

_FARTHEST_MS: Final = 1 << 52
_LABEL_TAG: Final = 1 << 3 | 2

Labels = Mapping[str, str]
Named = tuple[str, Labels]
_Field = tuple[str, int, str]
_MESSAGES: Final[dict[str, list[_Field]]] = {
    "Label": [("name", 1, "string"), ("value", 2, "string")],
    "Sample": [("value", 1, "double"), ("timestamp", 2, "int64")],
    "Skipped": [],
    "Series1": [("labels", 1, "*Label"), ("samples", 2, "*Sample"), ("histograms", 4, "*Skipped")],
    "Metadata1": [("type", 1, "int32"), ("metric_family_name", 2, "string")],
    "Metadata2": [("type", 1, "int32")],
    "Series2": [
        ("labels_refs", 1, "*uint32"),
        ("samples", 2, "*Sample"),
        ("histograms", 3, "*Skipped"),
        ("metadata", 5, "Metadata2"),
    ],
}
_TYPES: Final = (
    "unknown",
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
)
"""By their number in both versions."""


class RemoteWriteError(WatchfleetError):
    """A request cannot be read at all; it would never be better.

    Args:
        reason: A snake_case name for the counter.
        detail: What is wrong, for the sender's log.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(slots=True)
class Request:
    """What a request brought.

    Attributes:
        series: `[name, labels, kind]` of each series that has a form at all.
        index: For each of their samples the position of its series.
        milliseconds: Its time.
        values: Its value.
        refused: How many others there were, by reason.
        examples: Some of those, as reason and what is known of the series.
        sent: Samples and histograms in the request.
    """

    series: list[tuple[str, Labels, Kind]] = field(default_factory=list)
    index: "array[int]" = field(default_factory=lambda: array("q"))
    milliseconds: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))
    refused: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: int = 0

    def refuse(self, reason: str, times: int, example: dict[str, str]) -> None:
        """Count samples as refused."""
        self.sent += times
        if times:
            self.refused[reason] += times
            if len(self.examples) < MOST_EXAMPLES:
                self.examples.append((reason, example))

    def take(self, series: tuple[str, Labels, Kind], samples: Any) -> None:
        """Take in the samples of a series."""
        self.sent += len(samples)
        self.series.append(series)
        for sample in samples:
            self.index.append(len(self.series) - 1)
            self.milliseconds.append(sample.timestamp)
            self.values.append(sample.value)

    def decoded(self, kinds: Mapping[tuple[str, Kind], Kind]) -> Decoded:
        """The samples as ingest takes them.

        Args:
            kinds: The kind to store for each name and the kind that the request tells.
        """
        series = [[name, labels, str(kinds[name, kind])] for name, labels, kind in self.series]
        times = np.clip(np.array(self.milliseconds, np.int64), -_FARTHEST_MS, _FARTHEST_MS) * 1000
        values = np.array(self.values, np.float64)
        return Decoded(series, np.array(self.index, np.int64), times, values, events=[], activity=[])


def unpack(body: bytes) -> bytes:
    """A body in snappy's block format, unpacked.

    Raises:
        RemoteWriteError: It is not that, or says that it is larger than it may be.
    """
    declared = _declared(body)
    if declared > LARGEST_UNPACKED:
        raise RemoteWriteError("too_large", f"{declared} bytes unpacked; {LARGEST_UNPACKED} at most")
    try:
        return bytes(cramjam.snappy.decompress_raw(body)) if declared else b""
    except cramjam.DecompressionError as error:
        raise RemoteWriteError("not_snappy", str(error)[:200]) from error


def decode(content: bytes, version: str) -> Request:
    """The samples of an unpacked request.

    Args:
        content: The message.
        version: `V1` or `V2`.

    Raises:
        RemoteWriteError: It is not such a message.
    """
    try:
        return _decode_v2(content) if version == V2 else _decode_v1(content)
    except (DecodeError, UnicodeDecodeError, struct.error) as error:
        raise RemoteWriteError("not_protobuf", "the message is cut off or malformed") from error


def _decode_v1(content: bytes) -> Request:
    request, types = Request(), dict[str, str]()
    parts = list(_parts(content))
    for number, part in parts:
        if number == 3 and len(part) <= LARGEST_SERIES:
            told = _message("Metadata1")(part)
            types[told.metric_family_name] = _type(told.type)
    kind = cache(lambda name: kind_of(name, types))
    for number, part in parts:
        if number == 1 and _is_acceptable(request, part):
            end = _end_of_labels(part)
            series = _message("Series1")(part[end:])
            if series.labels:  # not in the order in which everyone writes them
                end, series = len(part), _message("Series1")(part)
            _take(request, series, _labels_v1(part[:end]), lambda name, _: kind(name))
    return request


def _end_of_labels(part: bytes) -> int:
    """Where a series' labels end and its samples begin; the same labels are the same bytes each time."""
    at, end = 0, len(part)
    while at + 1 < end and part[at] == _LABEL_TAG:
        length, after = _varint(part, at + 1)
        at = after + length
    return min(at, end)


def _decode_v2(content: bytes) -> Request:
    request, symbols, parts = Request(), list[str](), list[bytes]()
    for number, part in _parts(content):
        if number == 4:
            symbols.append(part.decode())
        elif number == 5:
            parts.append(part)
    if symbols[:1] not in ([], [""]):
        raise RemoteWriteError("not_protobuf", "the first symbol is not empty")
    for part in parts:
        if _is_acceptable(request, part):
            series = _message("Series2")(part)
            _take(request, series, _named(_labels_v2(series, symbols)), _kind_v2)
    return request


def _is_acceptable(request: Request, part: bytes) -> bool:
    """Whether a series is of a size that is unfolded; what is not is refused."""
    if len(part) > LARGEST_SERIES:
        # One at least; how many there are is not worth unfolding it.
        request.refuse("series_too_large", 1, {"bytes": str(len(part))})
        return False
    return True


def _take(request: Request, series: Any, named: Named | None, kind: Callable[[str, Any], Kind]) -> None:
    """Take one series of a request in, or refuse its samples."""
    if request.sent + len(series.samples) > MOST_SAMPLES:
        raise RemoteWriteError("too_large", f"more than {MOST_SAMPLES} samples")
    name, labels = named or ("", {})
    if series.histograms:
        request.refuse("native_histogram", len(series.histograms), {"name": name[:200]})
    if named is None:
        request.refuse("bad_label", len(series.samples), {"name": name[:200]})
    elif series.samples:
        request.take((name, labels, kind(name, series)), series.samples)


@lru_cache(maxsize=REMEMBERED)
def _labels_v1(part: bytes) -> Named | None:
    """Name and labels out of the bytes of a series' labels; None if a label stands twice."""
    return _named([(label.name, label.value) for label in _message("Series1")(part).labels])


def _named(pairs: list[tuple[str, str]] | None) -> Named | None:
    labels = dict(pairs or ())
    if pairs is None or len(labels) != len(pairs):
        return None
    return labels.pop("__name__", ""), labels


def _labels_v2(series: Any, symbols: list[str]) -> list[tuple[str, str]] | None:
    """Names and values by their symbols; None if one is not there."""
    refs = list(series.labels_refs)
    if len(refs) % 2 or max(refs, default=0) >= len(symbols):
        return None
    return [(symbols[name], symbols[value]) for name, value in zip(refs[::2], refs[1::2], strict=True)]


def _kind_v2(name: str, series: Any) -> Kind:
    told = _type(series.metadata.type)
    family = name
    if told in {"histogram", "summary", "gaugehistogram"}:
        family = name.rpartition("_")[0] if name.endswith(("_bucket", "_count", "_sum")) else name
    return kind_of(name, {family: told})


def _type(number: int) -> str:
    return _TYPES[number] if 0 <= number < len(_TYPES) else "unknown"


def _declared(body: bytes) -> int:
    """The length that a snappy block says it has unpacked."""
    try:
        return _varint(body, 0)[0]
    except struct.error as error:
        raise RemoteWriteError("not_snappy", "there is no length at its start") from error


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message; others are skipped.

    Raises:
        struct.error: The message is cut off or malformed.
        RemoteWriteError: It has too many.
    """
    at, end, count = 0, len(content), 0
    while at < end:
        count += 1
        if count > MOST_PARTS:
            raise RemoteWriteError("too_large", f"more than {MOST_PARTS} series and symbols")
        tag, at = _varint(content, at)
        number, wire = tag >> 3, tag & 7
        if wire == 2:
            length, at = _varint(content, at)
            if at + length > end:
                raise struct.error("cut off")
            yield number, content[at : at + length]
            at += length
        else:
            at = _skip(content, at, wire)


def _skip(content: bytes, at: int, wire: int) -> int:
    if wire == 0:
        return _varint(content, at)[1]
    if wire not in {1, 5} or at + 4 > len(content):
        raise struct.error("no such field")
    return at + (8 if wire == 1 else 4)


def _varint(content: bytes, at: int) -> tuple[int, int]:
    if at < len(content) and content[at] < 0x80:  # as most are
        return content[at], at + 1
    value = 0
    for index, byte in enumerate(content[at : at + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    raise struct.error("no varint")


@cache
def _message(name: str) -> Callable[[bytes], Any]:
    """What reads a message of this form."""
    cls = message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"watchfleet.{name}"))
    read: Callable[[bytes], Any] = cls.FromString
    return read


@cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="watchfleet/remote_write.proto", package="watchfleet", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            _add_field(message, field_name, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(message: Any, name: str, number: int, kind: str) -> None:
    form = descriptor_pb2.FieldDescriptorProto
    base = kind.removeprefix("*")
    label = form.LABEL_REPEATED if kind.startswith("*") else form.LABEL_OPTIONAL
    made = message.field.add(name=name, number=number, label=label)
    if base[0].isupper():
        made.type, made.type_name = form.TYPE_MESSAGE, f".watchfleet.{base}"
    else:
        made.type = getattr(form, f"TYPE_{base.upper()}")
