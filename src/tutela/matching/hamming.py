"""Pairs of near hashes in the clear: what makes two submissions the same item.

Multi-index hashing: two hashes within distance d agree exactly on at least one of d + 1 disjoint substrings, so only
pairs that share one are compared. Norouzi, Punjani, Fleet, *Fast Search in Hamming Space with Multi-Index Hashing*
(CVPR 2012).

Hashes of different pictures are spread, so few share a substring; whoever submits many that do would make the work,
and the pairs found, grow with the square of their number. Both are bounded: see `near_pairs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tutela.matching.bands import HASH_BITS
from tutela.matching.errors import TooManyPairs

#: Near pairs in one list. A million hashes, ten variants of each picture, have 4.5 million.
MOST_PAIRS: Final = 10_000_000
#: Comparisons: these, and so many times as many as evenly spread hashes need.
_FREE_COMPARISONS: Final = 1 << 30
_SKEW: Final = 64
#: Pairs compared at a time, to bound memory (about 100 MB).
_CHUNK: Final = 1 << 20

Rows = NDArray[np.intp]


def near_pairs(bits: NDArray[np.bool_], distance: int, *, most: int | None = None) -> Rows:
    """Return all pairs i < j of rows of `bits`, shape (n, 256), within `distance`; shape (m, 2), sorted.

    A million spread hashes take some 15 seconds and 600 MB.

    Raises:
        TooManyPairs: more than `most` (`MOST_PAIRS`), or so many hashes agree on a part that comparing them would take
            hours.
    """
    n = len(bits)
    most = MOST_PAIRS if most is None else most
    parts = np.array_split(np.arange(HASH_BITS), distance + 1)
    _check_work(bits, parts)
    words = np.packbits(bits, axis=1).view(np.uint64) if n else np.zeros((0, 4), np.uint64)
    masks = _masks(parts)
    found: list[NDArray[np.int64]] = []
    total = 0
    for number, part in enumerate(parts):
        # Most pairs that share this part differ so much elsewhere that one other word tells them apart.
        elsewhere = np.ascontiguousarray(words[:, (part[0] // 64 + 2) % 4]) if n else words[:, 0]
        for left, right in _pairs_within(*_groups(bits, part)):
            perhaps = np.bitwise_count(elsewhere[left] ^ elsewhere[right]) <= distance
            left, right = left[perhaps], right[perhaps]  # noqa: PLW2901
            apart = words[left] ^ words[right]
            new = np.bitwise_count(apart).sum(axis=1, dtype=np.int64) <= distance
            for mask in masks[:number]:  # a pair that shares an earlier part was found there
                new &= ((apart & mask) != 0).any(axis=1)
            left, right = left[new], right[new]  # noqa: PLW2901
            found.append(np.minimum(left, right) * n + np.maximum(left, right))
            total += len(left)
            if total > most:
                pairs = _rows_of(found, n)
                counts = np.bincount(pairs.ravel(), minlength=n)
                raise TooManyPairs(f"more than {most:,} pairs of hashes are within {distance} bits", counts, pairs)
    return _rows_of(found, n)


def _check_work(bits: NDArray[np.bool_], parts: list[Rows]) -> None:
    """Count the comparisons before any is made."""
    n = len(bits)
    counts = np.zeros(n, dtype=np.int64)
    for part in parts:
        order, _, sizes = _groups(bits, part)
        counts[order] += np.repeat(sizes - 1, sizes)
    even = sum(n * n / 2 ** len(part) for part in parts) / 2
    if counts.sum() // 2 > _FREE_COMPARISONS + _SKEW * even:
        raise TooManyPairs(
            f"{counts.sum() // 2:,} pairs of hashes agree on a part and would have to be compared",
            counts,
            _rows_of([], n),
        )


def _rows_of(found: list[NDArray[np.int64]], n: int) -> Rows:
    keys = np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)
    return np.stack(np.divmod(keys, max(n, 1)), axis=1).astype(np.intp)


def _masks(parts: list[Rows]) -> NDArray[np.uint64]:
    """Each part as the four words that a hash is packed into, shape (parts, 4)."""
    chosen = np.zeros((len(parts), HASH_BITS), dtype=np.bool_)
    for number, part in enumerate(parts):
        chosen[number, part] = True
    return np.packbits(chosen, axis=1).view(np.uint64)


def _groups(bits: NDArray[np.bool_], part: Rows) -> tuple[Rows, Rows, Rows]:
    """Rows that agree on `part`: an order that puts them side by side, where each group starts, and its size."""
    if len(bits) == 0:
        empty = np.zeros(0, dtype=np.intp)
        return empty, empty, empty
    rows = np.ascontiguousarray(np.packbits(bits[:, part], axis=1))
    order = np.lexsort(rows.T[::-1])
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)])
    return order, starts, np.diff(np.r_[starts, len(order)])


def _pairs_within(order: Rows, starts: Rows, sizes: Rows) -> Iterator[tuple[Rows, Rows]]:
    """All pairs inside each group, in chunks: each member with all those before it."""
    first = np.repeat(starts, sizes)
    before = np.arange(len(order)) - first
    done = np.cumsum(before)
    cuts = np.searchsorted(done, np.arange(_CHUNK, done[-1] if len(done) else 0, _CHUNK), side="right")
    for start, end in zip(np.r_[0, cuts], np.r_[cuts, len(order)], strict=True):
        many = before[start:end]
        each = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        yield order[np.repeat(first[start:end], many) + each], order[np.repeat(np.arange(start, end), many)]
