"""Writes requests of remote write as a sender does, and as none should."""

import struct
from collections.abc import Mapping, Sequence

import cramjam

Series = tuple[Mapping[str, str], Sequence[tuple[float, int]]]
"""Labels, and each sample's value and milliseconds."""


def packed(message: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(message))


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def sample(value: float, milliseconds: int) -> bytes:
    return b"\x09" + struct.pack("<d", value) + b"\x10" + varint(milliseconds)


def label(name: str, value: str) -> bytes:
    return field(1, name.encode()) + field(2, value.encode())


def series_v1(labels: Mapping[str, str], samples: Sequence[tuple[float, int]], extra: bytes = b"") -> bytes:
    body = b"".join(field(1, label(*pair)) for pair in labels.items())
    return field(1, body + b"".join(field(2, sample(*one)) for one in samples) + extra)


def request_v1(*series: Series) -> bytes:
    return b"".join(series_v1(*one) for one in series)


def request_v2(*series: tuple[Mapping[str, str], Sequence[tuple[float, int]], int]) -> bytes:
    """Labels, samples and the number of the metric's type, each."""
    symbols = [""]
    rows = []
    for labels, samples, kind in series:
        refs = b""
        for text in (text for pair in labels.items() for text in pair):
            if text not in symbols:
                symbols.append(text)
            refs += varint(symbols.index(text))
        metadata = field(5, b"\x08" + varint(kind))
        rows.append(field(5, field(1, refs) + b"".join(field(2, sample(*one)) for one in samples) + metadata))
    return b"".join(field(4, text.encode()) for text in symbols) + b"".join(rows)
