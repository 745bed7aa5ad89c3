"""A segment file: one layer of the filter that a device keeps.

Layout, all little endian: magic (8) ‖ seed (8) ‖ entries (4) ‖ segment length (4) ‖ segment count (4) ‖
fingerprints (4 each). The number of fingerprints is `(segment count + 2) × segment length`; an empty layer has none.
What the numbers mean is in `matching.fuse`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tutela.wire import limits
from tutela.wire.errors import MalformedMessage, OversizedMessage

MAGIC: Final = b"TUTSEG\x00\x01"
_HEAD: Final = struct.Struct("<8sQIII")


@dataclass(frozen=True)
class Segment:
    """A binary fuse filter with 32-bit fingerprints."""

    seed: int
    entries: int
    segment_length: int
    segment_count: int
    fingerprints: NDArray[np.uint32]

    def encode(self) -> bytes:
        """Return the file's bytes."""
        head = _HEAD.pack(MAGIC, self.seed, self.entries, self.segment_length, self.segment_count)
        return head + self.fingerprints.astype("<u4").tobytes()

    @classmethod
    def decode(cls, data: bytes) -> Segment:
        """Parse a segment file.

        Raises:
            OversizedMessage: over `limits.SEGMENT_BYTES`.
            MalformedMessage: another format, or a length that does not follow from the head.
        """
        if len(data) > limits.SEGMENT_BYTES:
            raise OversizedMessage(f"a segment of {len(data)} bytes is over the limit of {limits.SEGMENT_BYTES}")
        if len(data) < _HEAD.size:
            raise MalformedMessage("a segment is shorter than its head")
        magic, seed, entries, length, count = _HEAD.unpack_from(data)
        if magic != MAGIC:
            raise MalformedMessage("not a segment file of a known version")
        if length & (length - 1) or (length == 0) != (count == 0) or (length == 0) != (entries == 0):
            raise MalformedMessage("a segment's head contradicts itself")
        slots = (count + 2) * length
        if len(data) != _HEAD.size + 4 * slots:
            raise MalformedMessage("a segment's length does not follow from its head")
        if entries > slots:
            raise MalformedMessage("a segment claims more entries than it has room for")
        fingerprints = np.frombuffer(data, dtype="<u4", offset=_HEAD.size)
        return cls(seed, entries, length, count, fingerprints)
