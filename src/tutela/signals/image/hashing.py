"""PDQ's steps from pixels to frequencies, bit for bit as Meta's reference computes them.

Source: Meta, *The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm* (`hashing.pdf`), and
ThreatExchange's `pdq/cpp`. All sums are in single precision, and where bits must be equal their order is part of the
algorithm: running sums for the box filter, term by term for the cosine transform.

Written here because the package `pdqhash` has no wheel for Linux: `docs/decisions/0010-pdq-in-numpy.md`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

CELLS: Final = 64
FREQUENCIES: Final = 16
_PASSES: Final = 2
#: Rows turned into luma at a time, to bound memory.
_BLOCK: Final = 256

Single = NDArray[np.float32]


def frequencies(pixels: NDArray[np.uint8]) -> tuple[Single, int]:
    """Return PDQ's frequencies, shape (16, 16), and its quality, of grey (rows, columns) or RGB (rows, columns, 3)."""
    grey = _luma(pixels)
    rows, columns = grey.shape
    for _ in range(_PASSES):
        grey = np.ascontiguousarray(_box(np.ascontiguousarray(grey.T), _window(columns)).T)
        grey = _box(grey, _window(rows))
    cells = grey[np.ix_(_centres(rows), _centres(columns))]
    return _transform(cells), quality(cells)


def quality(cells: Single | NDArray[np.float64]) -> int:
    """Return how much there is to see in 64 x 64 cells, 0 to 100: the sum of visible gradients, each a whole number."""
    gradients = (np.diff(cells, axis=axis) * 100 / 255 for axis in (0, 1))
    return min(100, sum(int(np.abs(gradient).astype(np.int64).sum()) for gradient in gradients) // 90)


def _luma(pixels: NDArray[np.uint8]) -> Single:
    if pixels.ndim == 2:
        return pixels.astype(np.float32)
    luma = np.empty(pixels.shape[:2], np.float32)
    for start in range(0, len(pixels), _BLOCK):
        red, green, blue = np.moveaxis(pixels[start : start + _BLOCK], -1, 0)
        # In double precision and then rounded, as `pdqhash` does it; Meta's program does it all in single.
        luma[start : start + _BLOCK] = red * 0.299 + green * 0.587 + blue * 0.114
    return luma


def _window(length: int) -> int:
    return -(-length // (2 * CELLS))


def _centres(length: int) -> list[int]:
    return [int((cell + 0.5) * length / CELLS) for cell in range(CELLS)]


def _box(lines: Single, size: int) -> Single:
    """A running mean of `size` lines along the first axis, of fewer at both ends."""
    length = len(lines)
    ahead = (size + 2) // 2
    total = np.zeros_like(lines[0])
    held = 0
    means = np.empty_like(lines)
    for step in range(length + ahead - 1):
        if step < length:
            total += lines[step]
            held += 1
        if step >= size:
            total -= lines[step - size]
            held -= 1
        if step >= ahead - 1:
            np.divide(total, np.float32(held), out=means[step - ahead + 1])
    return means


@lru_cache
def _cosines() -> Single:
    """The discrete cosine transform's frequencies 1 to 16, shape (16, 64)."""
    frequency = np.arange(1, FREQUENCIES + 1)[:, np.newaxis]
    place = 2 * np.arange(CELLS) + 1
    scale = float(np.float32(np.sqrt(2 / CELLS)))
    matrix: Single = (scale * np.cos((np.pi / 2 / CELLS) * frequency * place)).astype(np.float32)
    return matrix


def _transform(cells: Single) -> Single:
    cosines = _cosines()
    half = np.zeros((FREQUENCIES, CELLS), np.float32)
    for k in range(CELLS):
        half += cosines[:, k : k + 1] * cells[k]
    full = np.zeros((FREQUENCIES, FREQUENCIES), np.float32)
    for k in range(CELLS):
        full += half[:, k : k + 1] * cosines[:, k]
    return full
