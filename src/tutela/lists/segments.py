"""Layers by time: which items are in which layer of the filter, so that a new epoch costs a device a small download.

From the layers of the epoch before and the items listed now:

1. A withdrawal is taken out of its layer, which is built anew; a layer left empty disappears.
2. Items listed for the first time make a new layer, the last.
3. From the first layer to the last, a layer is merged with the one after it while it is smaller than `merge_factor`
   times that one (a log-structured merge, after O'Neil et al., Acta Informatica 33, 1996). So sizes fall at least by
   that factor from layer to layer, and a list of n items has at most 1 + log(n)/log(merge_factor) layers.
4. With a new key, or other bands, nothing can be kept: each list class becomes one layer.

A layer is one set of items under one key; what did not change keeps its digest and is not downloaded again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from tutela.wire.submission import ListClass


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


def _plan_class(before: Sequence[Layer], listed: Set[str], empty: Layer, merge_factor: int) -> list[Layer]:
    """Plan one list class; `empty` says what a new layer looks like."""
    kept = [_without_withdrawn(layer, listed, empty) for layer in before]
    held = {item for layer in kept for item in layer.items}
    arrived = _new(empty, listed - held)
    merged: list[Layer] = []
    for layer in [*kept, arrived]:
        if not layer.items:
            continue
        merged.append(layer)
        while len(merged) > 1 and len(merged[-2].items) < merge_factor * len(merged[-1].items):
            last = merged.pop()
            merged[-1] = _new(empty, {*merged[-1].items, *last.items})
    return merged


def _without_withdrawn(layer: Layer, listed: Set[str], empty: Layer) -> Layer:
    still = [item for item in layer.items if item in listed]
    return layer if len(still) == len(layer.items) else _new(empty, set(still))


def _new(empty: Layer, items: Set[str]) -> Layer:
    return Layer(empty.list_class, empty.since_epoch, empty.key, tuple(sorted(items)))
