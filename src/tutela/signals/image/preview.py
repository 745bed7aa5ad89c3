"""A picture made small, grey and, unless somebody asks otherwise, unrecognisable: for people who must look.

Run as a program it is a child process for one picture: it reads the picture from its input, writes a PNG to its
output and ends, so that nothing of one hostile picture can reach the next. If the picture cannot be read it writes the
error's code instead, and ends with the status `REFUSED`. Memory is bounded by the operating system where it can be,
time by the parent.
"""

from __future__ import annotations

import enum
import io
import sys
from typing import BinaryIO, Final

import numpy as np
from PIL import Image

from tutela.signals.image.child import bound_memory
from tutela.signals.image.decode import Limits, upright_pixels
from tutela.signals.image.errors import OversizedPicture, PictureError

#: How the child says that it was the picture.
REFUSED: Final = 3


class Look(enum.StrEnum):
    """How a picture is shown."""

    BLURRED = "blurred"
    """Grey, of so few points that only light and dark can be told."""
    GREY = "grey"
    COLOUR = "colour"


#: The longest side, in pixels.
SIDES: Final = {Look.BLURRED: 240, Look.GREY: 480, Look.COLOUR: 1280}
#: Points along the longest side of what is left of a blurred picture.
_POINTS: Final = 10


def preview(data: bytes, look: Look, limits: Limits | None = None) -> bytes:
    """Return a PNG of `data`, upright, made anew from its pixels: nothing else of the file is in it.

    Raises:
        PictureError: it cannot be decoded within the limits.
    """
    side = SIDES[look]
    mode = "RGB" if look is Look.COLOUR else "L"
    image = Image.fromarray(upright_pixels(data, side, mode, limits or Limits()))
    if look is Look.BLURRED:
        size = image.size
        # The detail is gone, not hidden: what is enlarged again is ten points wide.
        image.thumbnail((_POINTS, _POINTS), Image.Resampling.BOX)
        image = image.resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(out, "PNG")
    return out.getvalue()


def main(look: Look, data: BinaryIO, answer: BinaryIO) -> int:
    """Serve one picture; return the status to end with."""
    bound_memory()
    try:
        made = preview(data.read(), look)
    except PictureError as error:
        answer.write(error.code.encode())
        return REFUSED
    except MemoryError:
        answer.write(OversizedPicture.code.encode())
        return REFUSED
    answer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(Look(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer))
