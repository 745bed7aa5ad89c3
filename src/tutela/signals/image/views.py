"""Query views: the hashes by which a picture that was slightly edited can still be found.

Lists hold plain PDQ hashes. A *query* may be hashed in several ways, and two things help most (measured by
`benchmarks/pdq.py`):

*Normalised.* PDQ's grid depends on the size of the picture: window lengths are rounded up, and even windows and
sample points lie half a pixel off. A query is hashed on the grid that PDQ approaches as pictures grow: each of
64 x 64 cells is averaged with a triangle as wide as the cell, centred on it. So every size of a picture gets nearly
the hash of a large one.

*Padded.* A cropped picture is set back into a larger frame by repeating its border pixels, which undoes most of the
shift and stretch that the crop caused. (Mirroring the border or filling it with the mean finds fewer.)

Each view is linear in the pixels, separately along rows and columns, so it costs two small matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tutela.signals.image import hashing
from tutela.signals.image.decode import SIDE, Luma
from tutela.signals.image.pdq import Pdq

#: Every known view: how much of the picture's side is added at each border before hashing.
PADS: Final[dict[str, float]] = {"normalised": 0.0, "pad-1": 0.01, "pad-2.5": 0.025, "pad-4.5": 0.045}

#: Sets of views, the most important first. Views share a check's probes, so more are not always better.
PLAIN: Final = ("normalised",)
SHIPPED: Final = ("normalised", "pad-1", "pad-2.5")
WIDE: Final = ("normalised", "pad-1", "pad-2.5", "pad-4.5")


@dataclass(frozen=True, eq=False)
class View:
    """One way to hash a query, and the hash."""

    name: str
    pdq: Pdq


def views(luma: Luma, names: Sequence[str] = SHIPPED) -> tuple[View, ...]:
    """Return the views called `names` of one picture, in that order."""
    pixels = luma.pixels.astype(np.float64)
    return tuple(View(name, _pdq(pixels, PADS[name])) for name in names)


def _pdq(pixels: NDArray[np.float64], pad: float) -> Pdq:
    sampling = _sampling(pad)
    cells = sampling @ pixels @ sampling.T
    frequencies = _cosines() @ cells @ _cosines().T
    return Pdq(frequencies.reshape(-1)[::-1], hashing.quality(cells))


@lru_cache
def _sampling(pad: float) -> NDArray[np.float64]:
    """The matrix (64, 512) that samples one axis, extended at each end by `pad` of its length."""
    cell = (1 + 2 * pad) / hashing.CELLS
    centres = (np.arange(hashing.CELLS) + 0.5) * cell - pad
    edges = np.arange(SIDE + 1) / SIDE
    # What a triangle of unit area has to the left of each pixel's edges; outside the picture its border is repeated.
    left_of = _triangle_cdf((edges - centres[:, np.newaxis]) / cell)
    left_of[:, 0], left_of[:, -1] = 0, 1
    return np.diff(left_of, axis=1)


def _triangle_cdf(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The integral up to `x` of a triangle of unit area over (-1/2, 1/2)."""
    x = np.clip(2 * x, -1, 1)
    return np.where(x < 0, (1 + x) ** 2 / 2, 1 - (1 - x) ** 2 / 2)


@lru_cache
def _cosines() -> NDArray[np.float64]:
    """PDQ's part (16, 64) of the discrete cosine transform: frequencies 1 to 16."""
    frequency = np.arange(1, hashing.FREQUENCIES + 1)[:, np.newaxis]
    place = 2 * np.arange(hashing.CELLS) + 1
    return np.asarray(np.sqrt(2 / hashing.CELLS) * np.cos(np.pi / (2 * hashing.CELLS) * frequency * place))
