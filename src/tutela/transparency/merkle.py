"""The hash tree over a log: its root, its growth, and proofs about it (RFC 6962, section 2; RFC 9162, section 2.1).

Leaves are hashed with a first byte 0, nodes with a first byte 1, so that neither can pass for the other. Everything
but `leaf_hash` deals in hashes of 32 bytes. A tree of n leaves splits at the largest power of two below n; so every
subtree on the left is *perfect* (has a power of two of leaves) and never changes once its last leaf is there.

Perfect subtrees are therefore all that needs to be kept. Proofs ask for them through a function, `Nodes`; `Tree` keeps
them in memory, and a `Frontier` only those few on the right edge that the next root needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias

from tutela.transparency.errors import BadConsistency, BadInclusion, MalformedTree, OutOfRange

HASH_BYTES: Final = 32
#: The root of the tree without leaves.
EMPTY_ROOT: Final = sha256().digest()

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"
_SIZE_BYTES: Final = 8

#: `(level, index)` → the root of the perfect subtree over the leaves from `index << level`, `1 << level` of them.
Nodes: TypeAlias = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of an entry."""
    return sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node from those of its two children."""
    return sha256(_NODE + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """All that is needed to append to a log and to know its root: at most 64 hashes, whatever the log's size."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()
    """The roots of the perfect subtrees that make up the tree, from the largest, on the left, to the smallest."""

    def __post_init__(self) -> None:
        if not 0 <= self.size < 1 << 8 * _SIZE_BYTES or len(self.peaks) != self.size.bit_count():
            raise MalformedTree(f"a log of {self.size} leaves does not have {len(self.peaks)} peaks")
        if any(len(peak) != HASH_BYTES for peak in self.peaks):
            raise MalformedTree(f"a hash has {HASH_BYTES} bytes")

    def append(self, leaf: bytes) -> Frontier:
        """Return the frontier after one more leaf hash.

        Raises:
            MalformedTree: it has another length than 32 bytes.
        """
        if len(leaf) != HASH_BYTES:
            raise MalformedTree(f"a hash has {HASH_BYTES} bytes, this one {len(leaf)}")
        peaks = [*self.peaks, leaf]
        size = self.size
        while size & 1:  # two subtrees of one size become one of twice that size
            right = peaks.pop()
            peaks.append(node_hash(peaks.pop(), right))
            size >>= 1
        return Frontier(self.size + 1, tuple(peaks))

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        if not self.peaks:
            return EMPTY_ROOT
        *lefts, root = self.peaks
        for left in reversed(lefts):
            root = node_hash(left, root)
        return root

    def encode(self) -> bytes:
        """Return size (8 bytes, big endian) and peaks, for keeping."""
        return self.size.to_bytes(_SIZE_BYTES) + b"".join(self.peaks)

    @classmethod
    def decode(cls, data: bytes) -> Frontier:
        """Read what `encode` wrote.

        Raises:
            MalformedTree: the bytes are something else.
        """
        peaks = data[_SIZE_BYTES:]
        starts = range(0, len(peaks), HASH_BYTES)
        made = cls(int.from_bytes(data[:_SIZE_BYTES]), tuple(peaks[at : at + HASH_BYTES] for at in starts))
        if made.encode() != data:
            raise MalformedTree("a frontier begins with its size in 8 bytes")
        return made


class Tree:
    """A log's leaf hashes and every perfect subtree over them: 64 bytes a leaf, one hashing for each node, once."""

    def __init__(self, leaves: bytes = b"") -> None:
        """Begin with `leaves`, leaf hashes of 32 bytes one after the other; about half a second for a million."""
        self._levels = [bytearray()]
        self.extend(leaves)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0]) // HASH_BYTES

    def extend(self, leaves: bytes) -> None:
        """Append leaf hashes, one after the other.

        Raises:
            MalformedTree: the bytes are no whole number of hashes.
        """
        if len(leaves) % HASH_BYTES:
            raise MalformedTree(f"{len(leaves)} bytes are no whole number of hashes of {HASH_BYTES}")
        self._levels[0] += leaves
        pair = 2 * HASH_BYTES
        for level in itertools.count():
            below = self._levels[level]
            done = len(self._levels[level + 1]) if level + 1 < len(self._levels) else 0
            pairs = bytes(below[2 * done : len(below) // pair * pair])  # slices of bytes are made faster
            if not pairs:
                break
            if not done:
                self._levels.append(bytearray())
            starts = range(0, len(pairs), pair)
            self._levels[level + 1] += b"".join([sha256(_NODE + pairs[at : at + pair]).digest() for at in starts])

    def node(self, level: int, index: int) -> bytes:
        """Return the root of a perfect subtree; this method is the tree's `Nodes`.

        Raises:
            OutOfRange: the subtree is not, or not all, in the log.
        """
        start = index * HASH_BYTES
        if not 0 <= level < len(self._levels) or not 0 <= start < len(self._levels[level]):
            raise OutOfRange(f"a log of {self.size} leaves lacks the subtree {index} of level {level}")
        return bytes(self._levels[level][start : start + HASH_BYTES])


def tree_root(nodes: Nodes, size: int) -> bytes:
    """Return the root of the log's first `size` leaves.

    Raises:
        OutOfRange: there is no such number of leaves.
    """
    if size < 0:
        raise OutOfRange(f"no log has {size} leaves")
    return _subtree(nodes, 0, size) if size else EMPTY_ROOT


def inclusion_proof(nodes: Nodes, index: int, size: int) -> tuple[bytes, ...]:
    """Return the hashes that lead from leaf `index` to the root of the first `size` leaves (RFC 9162, 2.1.3.1).

    Raises:
        OutOfRange: there is no such leaf among them.
    """
    if not 0 <= index < size:
        raise OutOfRange(f"a log of {size} leaves has no leaf {index}")
    start, end = 0, size
    proof = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_subtree(nodes, middle, end))
            end = middle
        else:
            proof.append(_subtree(nodes, start, middle))
            start = middle
    return tuple(reversed(proof))


def consistency_proof(nodes: Nodes, old: int, new: int) -> tuple[bytes, ...]:
    """Return the hashes that lead to the roots of both the first `old` and the first `new` leaves (RFC 9162, 2.1.4.1).

    Raises:
        OutOfRange: `old` is larger than `new`.
    """
    if not 0 <= old <= new:
        raise OutOfRange(f"a log does not grow from {old} to {new} leaves")
    if old == 0:
        return ()
    start, end = 0, new
    proof = []
    while end != old:  # down to the subtree whose end is the end of the old log
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_subtree(nodes, middle, end))
            end = middle
        else:
            proof.append(_subtree(nodes, start, middle))
            start = middle
    if start:  # else that subtree is the whole old log, and its root known to whoever checks
        proof.append(_subtree(nodes, start, end))
    return tuple(reversed(proof))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash `leaf` stands at `index` in the log with this size and root (RFC 9162, 2.1.3.2).

    A proof is not bound to the size alone: one for leaf 0 of 3 is also one for leaf 0 of 4. Take size and root from
    one signed checkpoint, always.

    Raises:
        BadInclusion: the proof does not show it.
    """
    if not 0 <= index < size:
        raise BadInclusion(f"a log of {size} leaves has no leaf {index}")
    if not _all_hashes(leaf, root, *proof):
        raise BadInclusion(f"a hash has {HASH_BYTES} bytes")
    at, last = index, size - 1
    reached = leaf
    for sibling in proof:
        if last == 0:
            raise BadInclusion(f"{len(proof)} hashes are too many to prove leaf {index} of {size}")
        if at & 1 or at == last:
            reached = node_hash(sibling, reached)
            at, last = _climb(at, last)
        else:
            reached = node_hash(reached, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise BadInclusion(f"{len(proof)} hashes are too few to prove leaf {index} of {size}")
    if reached != root:
        raise BadInclusion(f"the proof leads from leaf {index} to another root")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the log of `new` leaves begins with all leaves of the log of `old` (RFC 9162, 2.1.4.2).

    Every log begins with the empty one, which needs no proof. As for `verify_inclusion`, size and root belong together.

    Raises:
        BadConsistency: the proof does not show it.
    """
    if not 0 <= old <= new:
        raise BadConsistency(f"a log does not grow from {old} to {new} leaves")
    if not _all_hashes(old_root, new_root, *proof):
        raise BadConsistency(f"a hash has {HASH_BYTES} bytes")
    for size, root in ((old, old_root), (new, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise BadConsistency("a log without leaves has another root")
    if old in (0, new):
        if proof:
            raise BadConsistency(f"{len(proof)} hashes prove what needs no proof")
        if old == new and old_root != new_root:
            raise BadConsistency(f"two logs of {old} leaves have different roots")
        return
    whole = old & (old - 1) == 0  # the old log is one perfect subtree: the proof begins at its root
    path = [old_root, *proof] if whole else list(proof)
    if not path:
        raise BadConsistency(f"the proof from {old} to {new} leaves is missing")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_reached = new_reached = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadConsistency(f"{len(proof)} hashes are too many to prove growth from {old} to {new}")
        if at & 1 or at == last:
            old_reached = node_hash(sibling, old_reached)
            new_reached = node_hash(sibling, new_reached)
            at, last = _climb(at, last)
        else:
            new_reached = node_hash(new_reached, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise BadConsistency(f"{len(proof)} hashes are too few to prove growth from {old} to {new}")
    if old_reached != old_root or new_reached != new_root:
        raise BadConsistency(f"the log of {new} leaves does not begin with those of the log of {old}")


def _split(width: int) -> int:
    """Return the largest power of two below `width`, which is at least 2."""
    return 1 << (width - 1).bit_length() - 1


def _subtree(nodes: Nodes, start: int, end: int) -> bytes:
    """Return the root over the leaves from `start` to before `end`, a subtree that the splitting leads to."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return nodes(level, start >> level)
    middle = start + _split(width)
    return node_hash(_subtree(nodes, start, middle), _subtree(nodes, middle, end))


def _climb(at: int, last: int) -> tuple[int, int]:
    """Skip the levels at which the right edge has no sibling."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _all_hashes(*hashes: bytes) -> bool:
    return all(len(one) == HASH_BYTES for one in hashes)
