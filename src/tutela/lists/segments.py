"""Layers by time: which items are in which layer of the filter, so that a new epoch costs a device a small download.

From the layers of the epoch before and the items listed now:

1. A withdrawal is taken out of its layer, which is built anew; a layer left empty disappears.
2. Items listed for the first time make a new layer, the last.
3. From the first layer to the last, a layer that is not *full* is merged with the one after it while it is smaller
   than `merge_factor` times that one (a log-structured merge, after O'Neil et al., Acta Informatica 33, 1996).
4. What was made in these steps and has more than `most_items` is cut, in ascending order of hash, into as few layers
   as will do, of equal size. A layer with half of `most_items` is full.
5. With a new key, or other bands, nothing can be kept: every item is listed for the first time.

So a list class has at most 16 full layers, and behind them sizes fall at least by `merge_factor` from layer to
layer; a withdrawal costs an eighth of a large list. What did not change keeps its digest and is not downloaded again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final

from tutela.wire.submission import ListClass

#: No layer is cut into smaller ones than half of this.
SMALLEST_CUT: Final = 4096
#: A list class is cut into about this many layers.
PARTS: Final = 8


@dataclass(frozen=True)
class Layer:
    """One layer: its items in ascending order, the key's id, and the epoch in which it was built."""

    list_class: ListClass
    since_epoch: int
    key: str
    items: tuple[str, ...]


def plan(
    before: Sequence[Layer],
    listed: Mapping[ListClass, Set[str]],
    *,
    epoch: int,
    key: str,
    merge_factor: int,
) -> tuple[Layer, ...]:
    """Return the layers of `epoch`, by list class, the oldest first; those with `since_epoch == epoch` are new."""
    return tuple(
        layer
        for list_class in ListClass
        for layer in _plan_class(
            [one for one in before if one.list_class is list_class and one.key == key],
            listed.get(list_class, frozenset()),
            Layer(list_class, epoch, key, ()),
            merge_factor,
        )
    )


def most_items(listed: int) -> int:
    """Return how many items a layer may have in a list class of `listed`: a power of two, at least an eighth of it."""
    most = SMALLEST_CUT
    while most * PARTS < listed:
        most *= 2
    return most


def _plan_class(before: Sequence[Layer], listed: Set[str], empty: Layer, merge_factor: int) -> list[Layer]:
    """Plan one list class; `empty` says what a new layer looks like."""
    kept = [_without_withdrawn(layer, listed, empty) for layer in before]
    arrived = _new(empty, listed - {item for layer in kept for item in layer.items})
    most = most_items(len(listed))
    merged: list[Layer] = []
    for layer in [*kept, arrived]:
        if not layer.items:
            continue
        merged.append(layer)
        while len(merged) > 1 and len(merged[-2].items) < min(most // 2, merge_factor * len(merged[-1].items)):
            last = merged.pop()
            merged[-1] = _new(empty, {*merged[-1].items, *last.items})
    return [part for layer in merged for part in (_cut(layer, most) if layer not in before else [layer])]


def _without_withdrawn(layer: Layer, listed: Set[str], empty: Layer) -> Layer:
    still = [item for item in layer.items if item in listed]
    return layer if len(still) == len(layer.items) else replace(empty, items=tuple(still))


def _new(empty: Layer, items: Set[str]) -> Layer:
    return replace(empty, items=tuple(sorted(items)))


def _cut(layer: Layer, most: int) -> list[Layer]:
    """Cut a layer into as few as possible of at most `most` items, whose sizes differ by one at most."""
    total = len(layer.items)
    parts = -(-total // most)
    ends = [total * part // parts for part in range(parts + 1)]
    return [replace(layer, items=layer.items[ends[i] : ends[i + 1]]) for i in range(parts)]
