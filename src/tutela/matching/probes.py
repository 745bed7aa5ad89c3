"""Which patterns to ask for: query-directed probing of a band.

PDQ's bits are signs of coefficients against their median, so a bit whose coefficient lies near the median is the one
that an edit flips. Patterns are tried in ascending order of the sum of the margins of their flipped bits, after
Lv, Josephson, Wang, Charikar, Li, *Multi-Probe LSH* (VLDB 2007), section 4.4.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tutela.matching.bands import BandScheme

#: Flips are looked for among this many least certain bits of a band: 2**18 patterns, more than any batch holds.
_UNSURE_BITS = 18


def flips(margins: NDArray[np.float64]) -> Iterator[tuple[int, ...]]:
    """Yield sets of positions to flip in one band, likeliest first; `margins` has shape (K,).

    The first is the empty set. Each set is reached once: from a set whose largest rank is r, r is replaced by r + 1,
    or r + 1 is added.
    """
    cost = np.abs(margins)
    order = np.argsort(cost, kind="stable")[:_UNSURE_BITS]
    ranked = [float(cost[i]) for i in order]
    yield ()
    heap: list[tuple[float, tuple[int, ...]]] = [(ranked[0], (0,))] if ranked else []
    while heap:
        total, ranks = heapq.heappop(heap)
        yield tuple(int(order[r]) for r in ranks)
        last = ranks[-1]
        if last + 1 < len(ranked):
            step = ranked[last + 1]
            heapq.heappush(heap, (total + step, (*ranks, last + 1)))
            heapq.heappush(heap, (total - ranked[last] + step, (*ranks[:-1], last + 1)))


def band_probes(views: Sequence[NDArray[np.float64]], scheme: BandScheme, band: int, count: int) -> list[int]:
    """Return `count` distinct patterns to ask for in `band`.

    `views` are the margins of each query view, shape (256,) each, the most important first. Views take turns, and
    what an earlier one already asked for costs a later one nothing.
    """
    positions = scheme.positions(band)
    streams = [_patterns(margins[positions], scheme.bits) for margins in views]
    found: dict[int, None] = {}
    while len(found) < count:
        before = len(found)
        for stream in streams:
            for pattern in stream:
                if pattern not in found:
                    found[pattern] = None
                    break
            if len(found) == count:
                break
        if len(found) == before:
            break
    return list(found)


def _patterns(margins: NDArray[np.float64], bits: int) -> Iterator[int]:
    exact = 0
    for margin in margins:
        exact = exact << 1 | int(margin > 0)
    for positions in flips(margins):
        pattern = exact
        for position in positions:
            pattern ^= 1 << (bits - 1 - position)
        yield pattern
