"""The pixels of which `vectors/pdq.json` holds the hashes: lossless photographs, whole and in awkward pieces.

Made by slicing alone, so that no decoder's or resizer's version changes them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

_FOLDER = Path(skimage.__file__).parent / "data"
_SIZES = ((5, 5), (24, 24), (64, 64), (65, 63), (128, 129), (31, 200), (127, 255), (257, 300))


@cache
def _pixels(name: str) -> np.ndarray:
    with Image.open(_FOLDER / f"{name}.png") as image:
        return np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))


CASES: dict[str, Callable[[], np.ndarray]] = {
    **{
        name: lambda name=name: _pixels(name)
        for name in ("astronaut", "chelsea", "coffee", "camera", "coins", "motorcycle_left", "moon")
    },
    **{
        f"camera {rows} x {columns}": lambda rows=rows, columns=columns: _pixels("camera")[:rows, :columns]
        for rows, columns in _SIZES
    },
    "coffee, every other row": lambda: _pixels("coffee")[::2],
    "coffee, turned": lambda: np.rot90(_pixels("coffee")),
    "astronaut, mirrored": lambda: _pixels("astronaut")[:, ::-1],
    "astronaut, its middle": lambda: _pixels("astronaut")[100:411, 77:390],
    "chelsea, tall": lambda: _pixels("chelsea")[:, 100:180],
}
