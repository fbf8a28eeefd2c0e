"""Mergeable histograms of logarithmic buckets, and order statistics out of them.

A value's bucket is the power of 2^(1/32) at or above its magnitude: OpenTelemetry's and Prometheus's
exponential histogram of scale 5. Any quantile read from it is within 1.09 % of the order statistic of the
same rank, for values of either sign, and merging loses nothing: counts add up.

A bucket's number grows with the value: 0 for zero, positive for positive values, mirrored for negative
ones. It is taken from the bits of the float, not from a logarithm, so that it is the same on every machine
and in every merge. Magnitudes under 2.3e-308 (subnormal) count as zero.

As bytes, a histogram is the scale, then varints (base 128, least significant first): the number of buckets;
for each the distance to the one before, doubled, plus one if it holds more than one value (the first
distance is from zero, its sign folded into the lowest bit); then the counts of those that do, less two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SCALE: Final = 5
_STEPS: Final = 1 << SCALE
_MANTISSA_BITS: Final = 52
_CELL_BITS: Final = 11
_CELL_SHIFT: Final = _MANTISSA_BITS - _CELL_BITS
_MAGNITUDE: Final = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_MANTISSA: Final = np.int64((1 << _MANTISSA_BITS) - 1)
_CODE_BITS: Final = 18
_NORMAL: Final = np.int64(1 << _MANTISSA_BITS)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def _bounds() -> Ints:
    """The mantissas of 2^(0/32) ... 2^(31/32): the bounds of the buckets within one power of two."""
    bits: Ints = np.exp2(np.arange(_STEPS) / _STEPS).view(np.int64)
    bits &= _MANTISSA
    return bits


_BOUNDS: Final = _bounds()
# A cell of the mantissa's upper bits holds one bound at most: a look-up and one comparison find the bucket.
_BELOW: Final = np.searchsorted(_BOUNDS, np.arange(1 << _CELL_BITS) << _CELL_SHIFT, side="left").astype(
    np.int64
)
_BOUND_IN: Final = np.append(_BOUNDS, _MANTISSA)[_BELOW]


@dataclass(frozen=True, slots=True)
class Cells:
    """Non-empty buckets of many histograms, ordered by histogram and then by bucket.

    Attributes:
        owner: Which histogram each belongs to, from 0.
        code: Its bucket's number.
        count: How many values are in it.
    """

    owner: Ints
    code: Ints
    count: Ints


def codes(values: Floats) -> Ints:
    """The numbers of the buckets that hold finite values."""
    bits = values.view(np.int64)
    magnitude = bits & _MAGNITUDE
    mantissa = magnitude & _MANTISSA
    cell = mantissa >> _CELL_SHIFT
    step = _BELOW[cell] + (mantissa > _BOUND_IN[cell])
    code = (magnitude >> _MANTISSA_BITS) * _STEPS + step
    code[magnitude < _NORMAL] = 0
    signed: Ints = np.where(bits < 0, -code, code)
    return signed


def representatives(code: Ints) -> Floats:
    """The value that stands for a bucket: the one with the least relative error over its width."""
    magnitude = np.abs(code)
    exponent, step = magnitude // _STEPS - 1023, magnitude % _STEPS
    low = np.exp2((step - 1) / _STEPS)
    # 2ab/(a+b) of the bounds a < b is as far from either, relatively.
    middle = low * (2 * np.exp2(1 / _STEPS) / (1 + np.exp2(1 / _STEPS)))
    value = np.ldexp(middle, exponent)
    return np.where(code == 0, 0.0, np.copysign(value, code))


def tally(owner: Ints, code: Ints, count: Ints | None = None) -> Cells:
    """Count values that are ordered by owner and then by value.

    Args:
        owner: Whose each value is.
        code: The number of its bucket.
        count: How often it occurs; once if not given.
    """
    if not len(owner):
        return Cells(owner, code, owner)
    starts = np.flatnonzero(np.r_[True, (np.diff(owner) != 0) | (np.diff(code) != 0)])
    counts = np.diff(np.r_[starts, len(owner)]) if count is None else np.add.reduceat(count, starts)
    return Cells(owner[starts], code[starts], counts)


def merge(cells: Cells, into: Ints) -> Cells:
    """Add histograms up.

    Args:
        cells: The buckets of the parts.
        into: For each part, the number of the whole that it goes to.
    """
    owner = into[cells.owner]
    # One key for both: numpy sorts a plain array of integers many times as fast as it sorts by two.
    order = np.argsort((owner << _CODE_BITS) + cells.code)
    return tally(owner[order], cells.code[order], cells.count[order])


def quantiles(cells: Cells, wanted: Sequence[float]) -> list[Floats]:
    """For each quantile, the representative of the order statistic of rank ceil(q * n), by owner.

    Every owner from 0 to the last must have a cell.
    """
    starts = np.flatnonzero(np.diff(cells.owner, prepend=-1))
    cumulative = np.cumsum(cells.count)
    before = np.r_[0, cumulative][starts]
    total = np.add.reduceat(cells.count, starts)
    value = representatives(cells.code)
    return [value[np.searchsorted(cumulative, before + rank(q, total), side="left")] for q in wanted]


def rank(q: float, n: Ints) -> Ints:
    """The rank, from 1, of the order statistic that is the quantile `q` of `n` values."""
    # A hair less, so that 0.95 * 20 is rank 19 although the float is above 19.
    ranks: Ints = np.maximum(np.ceil(q * n * (1 - 1e-12)), 1).astype(np.int64)
    return ranks


def encode(cells: Cells, owners: int) -> list[bytes]:
    """The bytes of each of the histograms 0 ... owners-1; empty for one without cells."""
    per_owner = np.bincount(cells.owner, minlength=owners)
    first = np.r_[True, np.diff(cells.owner) != 0] if len(cells.owner) else np.empty(0, bool)
    distance = np.diff(cells.code, prepend=0)
    distance[first] = _fold(cells.code[first])
    many = cells.count > 1
    heads = np.flatnonzero(per_owner)
    extra = np.bincount(cells.owner[many], minlength=owners)
    sizes = (1 + per_owner + extra)[heads]
    begin = np.r_[0, np.cumsum(sizes)]
    tokens = np.empty(begin[-1], np.int64)
    tokens[begin[:-1]] = per_owner[heads]
    slot = np.repeat(begin[:-1] + 1 - np.r_[0, np.cumsum(per_owner[heads])[:-1]], per_owner[heads])
    tokens[slot + np.arange(len(cells.owner))] = distance * 2 + many
    after = np.repeat(
        begin[:-1] + 1 + per_owner[heads] - np.r_[0, np.cumsum(extra[heads])[:-1]], extra[heads]
    )
    tokens[after + np.arange(len(after))] = cells.count[many] - 2
    packed, ends = _varints(tokens)
    cuts = np.r_[0, ends[begin[1:] - 1]] if len(heads) else np.zeros(1, np.int64)
    scale, out = bytes([SCALE]), [b""] * owners
    for owner, start, end in zip(heads.tolist(), cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        out[owner] = scale + packed[start:end]
    return out


def decode(histograms: Sequence[bytes]) -> Cells:
    """The cells of histograms, the first being owner 0.

    Raises:
        ValueError: One is of another scale.
    """
    lengths = np.fromiter(map(len, histograms), np.int64, len(histograms))
    present = np.flatnonzero(lengths)
    if not len(present):
        empty = np.empty(0, np.int64)
        return Cells(empty, empty, empty)
    tokens, token_ends = _unvarint(b"".join(histograms))
    last = np.searchsorted(token_ends, np.cumsum(lengths[present]), side="left") + 1
    scales = np.r_[0, last[:-1]]  # a scale is a token of one byte
    if (tokens[scales] != SCALE).any():
        raise ValueError(f"a histogram is not of scale {SCALE}")
    begin = scales + 1
    per_owner = tokens[begin]
    owner = np.repeat(present, per_owner)
    firsts = np.r_[0, np.cumsum(per_owner)[:-1]]
    at = np.repeat(begin + 1 - firsts, per_owner) + np.arange(len(owner))
    distance, many = tokens[at] >> 1, (tokens[at] & 1).astype(bool)
    distance[firsts] = _unfold(distance[firsts])
    running = np.cumsum(distance)
    code = running - np.repeat(running[firsts] - distance[firsts], per_owner)
    rest = np.ones(len(tokens), bool)
    rest[at] = rest[begin] = rest[scales] = False
    count = np.ones(len(owner), np.int64)
    count[many] = tokens[rest] + 2
    return Cells(owner, code, count)


def _fold(code: Ints) -> Ints:
    """Signed to unsigned: 0, -1, 1, -2, ... becomes 0, 1, 2, 3, ..."""
    return np.where(code < 0, -2 * code - 1, 2 * code)


def _unfold(folded: Ints) -> Ints:
    return np.where(folded & 1, -((folded + 1) >> 1), folded >> 1)


def _varints(tokens: Ints) -> tuple[bytes, Ints]:
    """Non-negative numbers as varints, and where each ends."""
    lengths = np.ones(len(tokens), np.int64)
    longer = np.flatnonzero(tokens >> 7)
    rest = tokens[longer] >> 7
    while len(longer):
        lengths[longer] += 1
        rest >>= 7
        longer, rest = longer[rest > 0], rest[rest > 0]
    ends = np.cumsum(lengths)
    starts = ends - lengths
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    out[starts] = tokens & 0x7F | (lengths > 1) << 7
    longer = np.flatnonzero(lengths > 1)
    for place in range(1, int(lengths.max(initial=0))):
        longer = longer[lengths[longer] > place]
        more = lengths[longer] > place + 1
        out[starts[longer] + place] = tokens[longer] >> (7 * place) & 0x7F | more << 7
    return out.tobytes(), ends


def _unvarint(packed: bytes) -> tuple[Ints, Ints]:
    raw = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(raw < 0x80) + 1
    starts = np.r_[0, ends[:-1]]
    tokens = (raw[starts] & 0x7F).astype(np.int64)
    lengths = ends - starts
    longer = np.flatnonzero(lengths > 1)
    for place in range(1, int(lengths.max(initial=0))):
        longer = longer[lengths[longer] > place]
        tokens[longer] |= (raw[starts[longer] + place] & 0x7F).astype(np.int64) << (7 * place)
    return tokens, ends
