"""A Shield check on the wire: one batch of blinded elements, and its evaluation with a proof.

Always the same size, whatever the picture: the batch is padded with random elements by whoever makes it.

Request: `version (1) ‖ n (2, big endian) ‖ n × 32`. Response: `version (1) ‖ n (2) ‖ n × 32 ‖ proof (64)`.
Elements are ristretto255 encodings (RFC 9496) and the proof is RFC 9497's `c ‖ s`. Whether an element lies in the
group is for `matching.voprf` to decide.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from tutela.wire import limits
from tutela.wire.errors import MalformedMessage, OversizedMessage

VERSION: Final = 1
ELEMENT_BYTES: Final = 32
PROOF_BYTES: Final = 64
_HEAD: Final = struct.Struct(">BH")


def request_bytes(batch: int) -> int:
    """Return the size of a request for a batch of `batch` elements."""
    return _HEAD.size + batch * ELEMENT_BYTES


def response_bytes(batch: int) -> int:
    """Return the size of a response for a batch of `batch` elements."""
    return request_bytes(batch) + PROOF_BYTES


@dataclass(frozen=True)
class CheckRequest:
    """Blinded elements, 32 bytes each."""

    elements: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the request's bytes."""
        return _HEAD.pack(VERSION, len(self.elements)) + b"".join(self.elements)

    @classmethod
    def decode(cls, data: bytes, *, batch: int) -> CheckRequest:
        """Parse a request that must hold exactly `batch` elements.

        Raises:
            MalformedMessage: another version, count or length.
            OversizedMessage: more elements than any batch may have.
        """
        elements, rest = _elements(data, batch)
        if rest:
            raise MalformedMessage("a check request has trailing bytes")
        return cls(elements)


@dataclass(frozen=True)
class CheckResponse:
    """Evaluated elements in the request's order, and the DLEQ proof over all of them."""

    elements: tuple[bytes, ...]
    proof: bytes

    def encode(self) -> bytes:
        """Return the response's bytes."""
        return _HEAD.pack(VERSION, len(self.elements)) + b"".join(self.elements) + self.proof

    @classmethod
    def decode(cls, data: bytes, *, batch: int) -> CheckResponse:
        """Parse a response that must hold exactly `batch` elements; raises as `CheckRequest.decode`."""
        elements, rest = _elements(data, batch)
        if len(rest) != PROOF_BYTES:
            raise MalformedMessage("a check response does not end in one proof")
        return cls(elements, rest)


def _elements(data: bytes, batch: int) -> tuple[tuple[bytes, ...], bytes]:
    if len(data) < _HEAD.size:
        raise MalformedMessage("a check message is shorter than its head")
    version, count = _HEAD.unpack_from(data)
    if version != VERSION:
        raise MalformedMessage(f"check messages of version {version} are not known here")
    if count > limits.BATCH_ELEMENTS:
        raise OversizedMessage(f"{count} elements are over the limit of {limits.BATCH_ELEMENTS}")
    if count != batch:
        raise MalformedMessage(f"a batch holds exactly {batch} elements, not {count}")
    end = _HEAD.size + count * ELEMENT_BYTES
    if len(data) < end:
        raise MalformedMessage("a check message is cut short")
    return tuple(data[i : i + ELEMENT_BYTES] for i in range(_HEAD.size, end, ELEMENT_BYTES)), data[end:]
