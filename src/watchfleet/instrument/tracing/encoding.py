"""Spans as bytes of OpenTelemetry's protocol, without a Python object for each of their attributes.

Nearly every span is plain: an id, a name, two times, a few texts and numbers. Those are written here by the
protobuf encoding, and what repeats from span to span is kept in bytes. All others, and what spans have in
common, are left to OpenTelemetry's own encoder: messages of protobuf that are joined are one message.

Source: opentelemetry/proto/trace/v1/trace.proto, and https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, Final, cast

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

_IDS: Final = Struct(">BB8s8sBB8s").pack
_PARENT: Final = Struct(">BB8s").pack
_TIMES: Final = Struct("<BQBQ").pack
_FLAGS: Final = Struct("<HI").pack
_DOUBLE: Final = Struct("<Bd").pack
_KNOWN: Final = 0x100
_REMOTE: Final = 0x200
"""Of the flags of a span: that it is known whether its parent is in another process, and that it is."""
_KINDS: Final = {kind: kind.value + 1 for kind in SpanKind}
_STATUS_UNSET: Final = b"\x7a\x00"
_LONGEST: Final = 256
_SCALARS: Final = frozenset((str, bool, int, float))


def encoded(spans: Sequence[ReadableSpan]) -> bytes:
    """An ExportTraceServiceRequest with these spans, serialised.

    Args:
        spans: Spans that ended.
    """
    groups: dict[tuple[int, int], tuple[ReadableSpan, list[bytes]]] = {}
    others = []
    for span in spans:
        written = _span(span)
        if written is None:
            others.append(span)
        else:
            common = (id(span.resource), id(span.instrumentation_scope))
            groups.setdefault(common, (span, []))[1].append(_field(0x12, written))
    rest = encode_spans(others).SerializeToString() if others else b""
    return b"".join([*(_group(*group) for group in groups.values()), rest])


def _group(one: ReadableSpan, spans: list[bytes]) -> bytes:
    """The spans of one resource and one scope; what they have in common is encoded once."""
    common = encode_spans([one]).resource_spans[0]
    scope = common.scope_spans[0]
    del scope.spans[:]
    written = scope.SerializeToString() + b"".join(spans)
    del common.scope_spans[:]
    return _field(0x0A, common.SerializeToString() + _field(0x12, written))


def _span(span: ReadableSpan) -> bytes | None:
    """A plain span; None for any other."""
    context, parent = span.context, span.parent
    attributes: dict[str, Any] = cast("Any", span.attributes).copy() if span.attributes else {}
    if context is None or context.trace_state or not (_is_plain(span) and _are_scalars(attributes)):
        return None
    flags = _KNOWN | (_REMOTE if parent and parent.is_remote else 0)
    return b"".join(
        [
            _ids(context),
            _PARENT(0x22, 8, parent.span_id.to_bytes(8, "big")) if parent else b"",
            _name(span.name, span.kind),
            _TIMES(0x39, span.start_time or 0, 0x41, span.end_time or 0),
            *[_attribute(key, value) for key, value in attributes.items()],
            _STATUS_UNSET,
            _FLAGS(0x0185, flags),
        ]
    )


def _is_plain(span: ReadableSpan) -> bool:
    return not (
        span.events
        or span.links
        or span.dropped_attributes
        or span.dropped_events
        or span.dropped_links
        or span.status.status_code is not StatusCode.UNSET
    )


def _are_scalars(attributes: dict[str, Any]) -> bool:
    return _SCALARS.issuperset(map(type, attributes.values()))


def _ids(context: SpanContext) -> bytes:
    trace_id = context.trace_id.to_bytes(16, "big")
    return _IDS(0x0A, 16, trace_id[:8], trace_id[8:], 0x12, 8, context.span_id.to_bytes(8, "big"))


@lru_cache(maxsize=512)
def _name(name: str, kind: SpanKind) -> bytes:
    return _field(0x2A, name.encode(errors="replace")) + bytes((0x30, _KINDS[kind]))


def _attribute(key: str, value: Any) -> bytes:
    if type(value) is str and len(value) > _LONGEST:
        return _fresh(key, value)
    return _kept(key, value)


def _fresh(key: str, value: Any) -> bytes:
    return _field(0x4A, _field(0x0A, key.encode()) + _field(0x12, _scalar(value)))


_kept = lru_cache(maxsize=2048, typed=True)(_fresh)


def _scalar(value: str | float) -> bytes:
    if isinstance(value, str):
        return _field(0x0A, value.encode(errors="replace"))
    if isinstance(value, bool):
        return bytes((0x10, value))
    if isinstance(value, int):
        return b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    return _DOUBLE(0x21, value)


def _field(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
