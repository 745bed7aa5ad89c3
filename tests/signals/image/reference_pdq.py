"""PDQ written down once more, from its paper and for its own sake: plain NumPy, single precision, no speed.

Independent of `tutela` and of `pdqhash`: the tests compare all three. The order of single-precision additions is
part of the algorithm where bits must be equal.
"""

from __future__ import annotations

import numpy as np

FLOAT = np.float32


def pdq(pixels: np.ndarray, *, double_luma: bool = True) -> tuple[str, int, np.ndarray]:
    """Return the hash in hexadecimal, the quality and the 16 x 16 frequencies of grey or RGB bytes."""
    grey = luma(pixels, double=double_luma)
    rows, columns = grey.shape
    for _ in range(2):
        grey = box_filter(grey.T, window(columns)).T
        grey = box_filter(grey, window(rows))
    cells = grey[np.ix_(centres(rows), centres(columns))]
    frequencies = transform(cells)
    ordered = np.sort(frequencies, axis=None)
    median = ordered[127]
    number = 0
    for index, value in enumerate(frequencies.flat):
        if value > median:
            number |= 1 << index
    return f"{number:064x}", quality(cells), frequencies


def luma(pixels: np.ndarray, *, double: bool) -> np.ndarray:
    if pixels.ndim == 2:
        return pixels.astype(FLOAT)
    red, green, blue = (pixels[..., channel] for channel in range(3))
    if double:
        return (red * 0.299 + green * 0.587 + blue * 0.114).astype(FLOAT)
    return FLOAT(0.299) * red.astype(FLOAT) + FLOAT(0.587) * green.astype(FLOAT) + FLOAT(0.114) * blue.astype(FLOAT)


def window(length: int) -> int:
    return -(-length // 128)


def centres(length: int) -> list[int]:
    return [int((cell + 0.5) * length / 64) for cell in range(64)]


def box_filter(lines: np.ndarray, size: int) -> np.ndarray:
    """A running mean of `size` values along the first axis, shorter at the ends."""
    length = len(lines)
    ahead = (size + 2) // 2
    total = np.zeros_like(lines[0])
    held = 0
    out = np.empty_like(lines)
    for step in range(length + ahead - 1):
        if step < length:
            total = total + lines[step]
            held += 1
        if step >= size:
            total = total - lines[step - size]
            held -= 1
        if step >= ahead - 1:
            out[step - ahead + 1] = total / FLOAT(held)
    return out


def transform(cells: np.ndarray) -> np.ndarray:
    scale = float(FLOAT(np.sqrt(2 / 64)))
    cosines = np.array(
        [[scale * np.cos((np.pi / 2 / 64) * (i + 1) * (2 * j + 1)) for j in range(64)] for i in range(16)], dtype=FLOAT
    )
    half = np.zeros((16, 64), FLOAT)
    for k in range(64):
        half = half + cosines[:, k : k + 1] * cells[k]
    full = np.zeros((16, 16), FLOAT)
    for k in range(64):
        full = full + half[:, k : k + 1] * cosines[:, k]
    return full


def quality(cells: np.ndarray) -> int:
    total = 0
    for axis in (0, 1):
        steps = np.diff(cells, axis=axis) * FLOAT(100) / FLOAT(255)
        total += int(np.abs(np.trunc(steps)).sum())
    return min(100, total // 90)
