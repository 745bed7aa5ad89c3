"""Pairs of near hashes in the clear: what makes two submissions the same item.

Multi-index hashing: two hashes within distance d agree exactly on at least one of d + 1 disjoint substrings, so only
pairs that share one are compared. Norouzi, Punjani, Fleet, *Fast Search in Hamming Space with Multi-Index Hashing*
(CVPR 2012).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tutela.matching.bands import HASH_BITS

#: Candidate pairs compared at a time, to bound memory (about 100 MB).
_CHUNK = 1 << 20


def near_pairs(bits: NDArray[np.bool_], distance: int) -> NDArray[np.intp]:
    """Return all pairs i < j of rows of `bits`, shape (n, 256), within `distance`; shape (m, 2), sorted."""
    n = len(bits)
    found: list[NDArray[np.intp]] = []
    packed = np.packbits(bits, axis=1).view(np.uint64) if n else np.zeros((0, 4), np.uint64)
    for part in np.array_split(np.arange(HASH_BITS), distance + 1):
        keys = np.packbits(bits[:, part], axis=1)
        order, starts, ends = _groups(keys)
        for left, right in _pairs_within(order, starts, ends):
            gap = np.bitwise_count(packed[left] ^ packed[right]).sum(axis=1, dtype=np.int64)
            close = gap <= distance
            pair = np.stack([left[close], right[close]], axis=1)
            found.append(np.sort(pair, axis=1))
    if not found:
        return np.zeros((0, 2), dtype=np.intp)
    return np.unique(np.concatenate(found), axis=0)


def _groups(keys: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Rows with equal keys: an order that puts them side by side, and where each group starts and ends."""
    if len(keys) == 0:
        empty = np.zeros(0, dtype=np.intp)
        return empty, empty, empty
    rows = np.ascontiguousarray(keys)
    order = np.lexsort(rows.T[::-1])
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)])
    return order, starts, np.r_[starts[1:], len(order)]


def _pairs_within(
    order: NDArray[np.intp], starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """All pairs inside each group, in chunks: the member at offset k with the one at offset 0, 1, … k - 1 before it."""
    sizes = ends - starts
    place = np.arange(len(order)) - np.repeat(starts, sizes)
    for back in range(1, int(sizes.max(initial=0))):
        later = np.flatnonzero(place >= back)
        for i in range(0, len(later), _CHUNK):
            yield order[later[i : i + _CHUNK] - back], order[later[i : i + _CHUNK]]
