"""PDQ, the open perceptual hash of a picture: 256 bits, a quality, and how sure each bit is.

The hash that HMA, ThreatExchange, StopNCII and NCMEC's sharing carry (Meta, 2019). `hashing` computes it from pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tutela.signals.image import hashing
from tutela.signals.image.errors import FeaturelessPicture

BITS: Final = 256
#: The reference hashes nothing smaller: all bits zero, quality 0.
_MIN_SIDE: Final = 5
#: The reference's median of 256 values is the lower of the two middle ones.
_MEDIAN: Final = BITS // 2 - 1


@dataclass(frozen=True, eq=False)
class Pdq:
    """A PDQ hash. Index 0 of the arrays is the most significant bit of the hexadecimal form."""

    coefficients: NDArray[np.float64]
    """Frequencies of the picture, shape (256,)."""
    quality: int
    """How much there is to see, 0 to 100. The bits of a flat picture are chance: callers must handle low values.
    (Meta advises to discard hashes below 50.)"""

    @cached_property
    def margins(self) -> NDArray[np.float64]:
        """How far each coefficient lies above the median, shape (256,): its sign is the bit, its size how sure."""
        return self.coefficients - float(np.partition(self.coefficients, _MEDIAN)[_MEDIAN])

    @cached_property
    def bits(self) -> NDArray[np.bool_]:
        """The hash as shape (256,)."""
        return self.margins > 0

    @cached_property
    def hex(self) -> str:
        """The hash as everyone writes it: 64 lower-case hexadecimal digits."""
        return np.packbits(self.bits).tobytes().hex()

    def distance(self, other: Pdq) -> int:
        """Return the Hamming distance, 0 to 256."""
        return int(np.count_nonzero(self.bits != other.bits))

    def demand(self, quality: int) -> Pdq:
        """Return this hash if it has at least `quality`.

        Raises:
            FeaturelessPicture: it has less.
        """
        if self.quality < quality:
            raise FeaturelessPicture(
                f"the picture has quality {self.quality}, under the {quality} that is needed to tell it apart",
                hint="Flat or nearly empty pictures cannot be listed by a perceptual hash.",
            )
        return self


def pdq_from_pixels(pixels: NDArray[np.uint8]) -> Pdq:
    """Return the PDQ hash of decoded pixels: (rows, columns, 3) in RGB, or (rows, columns) in grey.

    Bit for bit what the package `pdqhash`, and so HMA, computes. Meta's own program rounds luma differently in its last
    place: the two agree on photographs, and may differ where bits are chance (flat and very narrow pictures).
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(f"expected grey or RGB bytes, got {pixels.dtype} of shape {pixels.shape}")
    if min(pixels.shape[:2]) < _MIN_SIDE:
        return Pdq(np.zeros(BITS), 0)
    coefficients, quality = hashing.frequencies(pixels)
    return Pdq(coefficients.reshape(-1)[::-1].astype(np.float64), quality)
