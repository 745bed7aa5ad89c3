"""The filter that a device keeps: a binary fuse filter over OPRF outputs, with 32-bit fingerprints.

Graf, Lemire, *Binary Fuse Filters: Fast and Smaller Than Xor Filters* (ACM JEA 27, 2022), three-wise. An entry is
the first 12 bytes of an OPRF output: eight choose three slots, four are the fingerprint, which is the XOR of the
three slots. Something that was not put in passes with probability 2^-32.

Building is deterministic, so that a list authority rebuilds a filter byte for byte: entries are sorted and distinct,
seeds derive from their digest, and peeling goes in rounds, each round in ascending order of entries.
"""

from __future__ import annotations

import hashlib
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tutela.matching.errors import FilterFailure
from tutela.wire.segment import Segment

ENTRY_BYTES: Final = 12
FALSE_POSITIVE_RATE: Final = 2.0**-32
_DOMAIN: Final = b"tutela/fuse/1\x00"
_ATTEMPTS: Final = 64

U64 = NDArray[np.uint64]


def build(entries: NDArray[np.uint8]) -> Segment:
    """Build a filter from entries of shape (n, 12); their order and repetitions do not matter.

    Raises:
        FilterFailure: no seed worked, which for distinct OPRF outputs does not happen.
    """
    distinct = _canonical(entries)
    n = len(distinct)
    if n == 0:
        return Segment(0, 0, 0, 0, np.zeros(0, dtype=np.uint32))
    keys, fingerprints = _split(distinct)
    length, count = _shape(n)
    digest = hashlib.sha256(_DOMAIN + distinct.tobytes()).digest()
    for attempt in range(_ATTEMPTS):
        derived = hashlib.sha256(_DOMAIN + digest + attempt.to_bytes(2, "big")).digest()
        seed = int.from_bytes(derived[:8], "little")
        slots = _slots(keys, seed, length, count)
        rounds = _peel(slots, (count + 2) * length)
        if rounds is not None:
            return Segment(seed, n, length, count, _assign(rounds, slots, fingerprints, (count + 2) * length))
    raise FilterFailure(f"no filter could be built from {n} entries")


def contains(segment: Segment, entries: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Look up entries of shape (n, 12); the answer has shape (n,)."""
    if segment.entries == 0:
        return np.zeros(len(entries), dtype=np.bool_)
    keys, fingerprints = _split(entries)
    slots = _slots(keys, segment.seed, segment.segment_length, segment.segment_count)
    table = segment.fingerprints
    found: NDArray[np.bool_] = (table[slots[0]] ^ table[slots[1]] ^ table[slots[2]]) == fingerprints
    return found


def entry_of(output: bytes) -> bytes:
    """Return the part of an OPRF output that enters a filter."""
    return output[:ENTRY_BYTES]


def entries_of(outputs: list[bytes]) -> NDArray[np.uint8]:
    """Return the entries of many OPRF outputs, shape (n, 12)."""
    joined = b"".join(entry_of(output) for output in outputs)
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(outputs), ENTRY_BYTES)


def _canonical(entries: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if len(entries) == 0:
        return entries.reshape(0, ENTRY_BYTES)
    rows = np.ascontiguousarray(entries, dtype=np.uint8).view(f"V{ENTRY_BYTES}").ravel()
    distinct = np.array(sorted(set(rows.tolist())), dtype=f"V{ENTRY_BYTES}")
    return distinct.view(np.uint8).reshape(len(distinct), ENTRY_BYTES)


def _split(entries: NDArray[np.uint8]) -> tuple[U64, NDArray[np.uint32]]:
    packed = np.ascontiguousarray(entries, dtype=np.uint8)
    keys = packed[:, :8].copy().view("<u8").ravel().astype(np.uint64)
    fingerprints = packed[:, 8:].copy().view("<u4").ravel().astype(np.uint32)
    return keys, fingerprints


def _shape(n: int) -> tuple[int, int]:
    """Segment length and count for `n` entries (the paper's section 3; rounded, so that every machine agrees)."""
    if n < 16:
        return 4, 16
    log = round(math.log(n), 6)
    length = min(1 << math.floor(round(log / math.log(3.33) + 2.25, 4)), 1 << 18)
    factor = round(max(1.125, 0.875 + 0.25 * math.log(1e6) / log), 4)
    count = max(1, math.ceil(n * factor / length) - 2)
    return length, count


def _slots(keys: U64, seed: int, length: int, count: int) -> NDArray[np.intp]:
    """The three slots of each key, shape (3, n); consecutive segments, so that the three are distinct."""
    h = _mix(keys ^ np.uint64(seed))
    mask = np.uint64(length - 1)
    start = ((h >> np.uint64(32)) * np.uint64(count * length)) >> np.uint64(32)
    second = (start + np.uint64(length)) ^ ((h >> np.uint64(18)) & mask)
    third = (start + np.uint64(2 * length)) ^ (h & mask)
    return np.stack([start, second, third]).astype(np.intp)


def _mix(h: U64) -> U64:
    """The 64-bit finaliser of MurmurHash3 (Appleby, public domain)."""
    h = h ^ (h >> np.uint64(33))
    h = h * np.uint64(0xFF51AFD7ED558CCD)
    h = h ^ (h >> np.uint64(33))
    h = h * np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


def _peel(slots: NDArray[np.intp], size: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]] | None:
    """Take out, round by round, the entries that are alone in a slot: (entries, slots) of each round, or `None`."""
    n = slots.shape[1]
    index = np.arange(n, dtype=np.int64)
    count = np.bincount(slots.ravel(), minlength=size)
    held = np.zeros(size, dtype=np.int64)
    for row in slots:
        np.bitwise_xor.at(held, row, index)
    rounds = []
    peeled = 0
    alone = np.flatnonzero(count == 1)
    while len(alone):
        entries, first = np.unique(held[alone], return_index=True)
        rounds.append((entries.astype(np.intp), alone[first]))
        peeled += len(entries)
        touched = slots[:, entries]
        for row in touched:
            np.subtract.at(count, row, 1)
            np.bitwise_xor.at(held, row, entries)
        candidates = np.unique(touched)
        alone = candidates[count[candidates] == 1]
    return rounds if peeled == n else None


def _assign(
    rounds: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
    slots: NDArray[np.intp],
    fingerprints: NDArray[np.uint32],
    size: int,
) -> NDArray[np.uint32]:
    """Fill the table in reverse: the slot in which an entry was alone makes its three slots XOR to its fingerprint."""
    table = np.zeros(size, dtype=np.uint32)
    for entries, own in reversed(rounds):
        a, b, c = slots[:, entries]
        table[own] = 0
        table[own] = fingerprints[entries] ^ table[a] ^ table[b] ^ table[c]
    return table
