"""The blur behind a warning: a picture's light and dark, and no shapes. Pure."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from PIL import Image

from tutela.signals.image import luminance

#: The side of the blur, in pixels.
SIDE: Final = 8


def blur(data: bytes) -> bytes:
    """Return a grey PNG of 8 by 8 pixels, each the mean of its part of the picture.

    Raises:
        PictureError: it cannot be decoded within the limits.
    """
    pixels = luminance(data).pixels
    part = pixels.shape[0] // SIDE
    means = pixels.reshape(SIDE, part, SIDE, part).mean(axis=(1, 3))
    out = io.BytesIO()
    Image.fromarray(means.round().astype(np.uint8)).save(out, "PNG")
    return out.getvalue()
