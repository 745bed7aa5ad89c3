"""Cutting a PDQ hash into bands: disjoint groups of its bits, so that near hashes share some band exactly.

Band b of T bands of K bits holds the bits b, b + T, b + 2T, … (K of them), counted from the most significant bit of
the hexadecimal form; bits beyond T·K belong to no band. Interleaving spreads low and high frequencies evenly.
A band enters the OPRF as `DOMAIN ‖ K ‖ T ‖ b ‖ pattern`, so that entries of other schemes can never collide with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tutela.matching.errors import MatchingError

HASH_BITS: Final = 256
DOMAIN: Final = b"tutela/band/pdq/1\x00"


@dataclass(frozen=True)
class BandScheme:
    """T disjoint bands of K bits.

    Raises:
        MatchingError: the bands do not fit into 256 bits, or a band into 64.
    """

    bands: int
    bits: int

    def __post_init__(self) -> None:
        if not (self.bands >= 1 and 1 <= self.bits <= 64 and self.bands * self.bits <= HASH_BITS):
            raise MatchingError(f"{self.bands} bands of {self.bits} bits do not fit into a hash of {HASH_BITS} bits")

    def positions(self, band: int) -> NDArray[np.intp]:
        """Return the bit positions of `band`, shape (K,)."""
        return np.arange(band, self.bands * self.bits, self.bands, dtype=np.intp)

    def patterns(self, bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
        """Cut hashes of shape (..., 256) into patterns (..., T); a band's first bit is the highest."""
        patterns = np.zeros((*bits.shape[:-1], self.bands), dtype=np.uint64)
        for first in range(0, self.bands * self.bits, self.bands):
            patterns = patterns << np.uint64(1) | bits[..., first : first + self.bands]
        return patterns

    def entry(self, band: int, pattern: int) -> bytes:
        """Return the OPRF input for one band of one hash."""
        head = DOMAIN + bytes([self.bits, self.bands, band])
        return head + int(pattern).to_bytes((self.bits + 7) // 8, "big")


def bits_of_hex(pdq: str) -> NDArray[np.bool_]:
    """Return the 256 bits of a PDQ hash in hexadecimal, most significant first.

    Raises:
        MatchingError: not 64 hexadecimal digits.
    """
    bits: NDArray[np.bool_] = bits_of_many([pdq])[0]
    return bits


def bits_of_many(hashes: list[str]) -> NDArray[np.bool_]:
    """Return the bits of many hashes, shape (n, 256); raises as `bits_of_hex`."""
    if not hashes:
        return np.zeros((0, HASH_BITS), dtype=np.bool_)
    if any(len(pdq) != HASH_BITS // 4 for pdq in hashes):
        raise MatchingError("a PDQ hash has 64 hexadecimal digits")
    try:
        raw = bytes.fromhex("".join(hashes))
    except ValueError as error:
        raise MatchingError("a PDQ hash has 64 hexadecimal digits") from error
    if len(raw) != len(hashes) * HASH_BITS // 8:
        raise MatchingError("a PDQ hash has 64 hexadecimal digits")
    packed = np.frombuffer(raw, dtype=np.uint8).reshape(len(hashes), HASH_BITS // 8)
    return np.unpackbits(packed, axis=1).astype(np.bool_)
