"""Prometheus's remote write, versions 1 and 2: one request's body into samples.

Sources: "Prometheus Remote-Write 1.0" and "2.0" (prometheus.io, specs); the field numbers are those of
`prometheus.WriteRequest` and `io.prometheus.write.v2.Request`.

A body is taken apart one series at a time, so that what a hostile one unfolds to is bounded: by the length
that snappy declares before anything is unpacked, and by the largest series.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from watchfleet.errors import WatchfleetError
from watchfleet.metrics.exposition import kind_of, seconds
from watchfleet.model import Kind, Sample

LARGEST_BODY: Final = 8 << 20
LARGEST_UNPACKED: Final = 32 << 20
LARGEST_SERIES: Final = 1 << 20
"""Bytes of one series with its samples."""
MOST_SAMPLES: Final = 500_000
MOST_PARTS: Final = 500_000
"""Series, symbols and metadata together."""
MOST_EXAMPLES: Final = 20

V1: Final = "prometheus.WriteRequest"
V2: Final = "io.prometheus.write.v2.Request"

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
        samples: Those whose series has a form at all.
        refused: How many others there were, by reason.
        examples: Some of those, as reason and what is known of the series.
        sent: Samples and histograms in the request.
    """

    samples: list[Sample] = field(default_factory=list)
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
    for number, part in parts:
        if number == 1:
            _take(request, part, "Series1", _labels_v1, lambda name, _: kind_of(name, types))
    return request


def _decode_v2(content: bytes) -> Request:
    request, symbols, series = Request(), list[str](), list[bytes]()
    for number, part in _parts(content):
        if number == 4:
            symbols.append(part.decode())
        elif number == 5:
            series.append(part)
    if symbols[:1] not in ([], [""]):
        raise RemoteWriteError("not_protobuf", "the first symbol is not empty")
    for part in series:
        _take(request, part, "Series2", lambda message: _labels_v2(message, symbols), _kind_v2)
    return request


def _take(
    request: Request,
    part: bytes,
    form: str,
    labels_of: Callable[[Any], list[tuple[str, str]] | None],
    kind: Callable[[str, Any], Kind],
) -> None:
    """Take one series of a request in, or refuse its samples."""
    if len(part) > LARGEST_SERIES:
        # One at least; how many there are is not worth unfolding it.
        request.refuse("series_too_large", 1, {"bytes": str(len(part))})
        return
    series = _message(form)(part)
    if request.sent + len(series.samples) > MOST_SAMPLES:
        raise RemoteWriteError("too_large", f"more than {MOST_SAMPLES} samples")
    pairs = labels_of(series)
    labels = dict(pairs or ())
    is_good = pairs is not None and len(labels) == len(pairs)
    name = labels.pop("__name__", "")
    known = {"name": name[:200]}
    request.refuse("native_histogram", len(series.histograms), known)
    if not is_good:
        request.refuse("bad_label", len(series.samples), known)
        return
    what = kind(name, series)
    request.sent += len(series.samples)
    request.samples += [
        Sample(name, labels, what, seconds(one.timestamp), one.value) for one in series.samples
    ]


def _labels_v1(series: Any) -> list[tuple[str, str]]:
    return [(label.name, label.value) for label in series.labels]


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
