"""From bytes to pixels, under limits, for list items (in full) and for queries (scaled while decoding).

Pillow decodes, but it is given only what `container` found to be the picture: the one sniffed format, nothing behind
its end, and (except in WebP) no metadata. Size is checked before anything is allocated. All of this is pure and has
no time limit of its own: what a hostile file can cost is bounded by `Limits`, and whoever must not wait runs it in a
process that can be killed.

Transparent pixels are shown over white, the usual page behind a picture. The colours stored under full transparency
are not seen by anyone; were they hashed instead, a listed picture could be hidden behind, or planted in, them.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tutela.signals.image.container import Container, Format, read_container
from tutela.signals.image.errors import CorruptPicture, OversizedPicture, PictureError
from tutela.signals.image.orientation import UPRIGHT, read_orientation, upright
from tutela.signals.image.pdq import Pdq, pdq_from_pixels

#: Rows and columns of a query's luma.
SIDE: Final = 512
#: The longest side that is read, in pixels (JPEG and GIF know no longer one).
MAX_SIDE: Final = 65_535


@dataclass(frozen=True)
class Limits:
    """What is refused unseen."""

    bytes: int = 32 << 20
    """Length of the file."""
    pixels: int = 64_000_000
    """Width times height."""
    scans: int = 64
    """Passes over the pixels of a JPEG; each costs time for every pixel. Usual progressive files have about ten."""


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, eq=False)
class Luma:
    """A picture as queries start from it: upright, grey, stretched to 512 x 512; and where it came from."""

    pixels: NDArray[np.uint8]
    """Shape (512, 512)."""
    format: Format
    width: int
    """Of the stored picture in pixels, before it was turned upright."""
    height: int
    scale: int
    """The decoder left out all but one in `scale` pixels along each axis: 1, 2, 4 or 8."""


def luminance(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Luma:
    """Decode a picture for a query: luma only, at the smallest scale that fills 512 x 512.

    Raises:
        PictureError: one of its kinds, for everything that can be wrong with `data`.
    """
    container = _admit(data, limits)
    with _decoding():
        image = _open(container, data)
        if container.format is Format.JPEG:
            image.draft("L", (SIDE, SIDE))
        grey = _opaque(image, "L")
        del image
        scale = round(max(container.width, container.height) / max(grey.size))
        square = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    pixels = np.ascontiguousarray(upright(square, _orientation(container, data)))
    return Luma(pixels, container.format, container.width, container.height, scale)


def pdq_of_list_item(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pdq:
    """Decode a picture in full and hash it as lists do; see `pdq_from_pixels`. Raises as `luminance` does."""
    container = _admit(data, limits)
    with _decoding():
        pixels = np.asarray(_opaque(_open(container, data), "RGB"))
        return pdq_from_pixels(upright(pixels, _orientation(container, data)))


def upright_pixels(data: bytes, side: int, mode: str, limits: Limits = DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Decode a picture to be looked at: upright, its longer side at most `side`, in `mode` ("L" or "RGB").

    Shape (height, width) or (height, width, 3). Raises as `luminance` does.
    """
    container = _admit(data, limits)
    with _decoding():
        image = _open(container, data)
        if container.format is Format.JPEG:
            image.draft(mode, (side, side))
        image = _opaque(image, mode)
        image.thumbnail((side, side), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
    return np.ascontiguousarray(upright(pixels, _orientation(container, data)))


def _admit(data: bytes, limits: Limits) -> Container:
    if len(data) > limits.bytes:
        raise _oversized(f"{len(data):,} bytes", f"{limits.bytes:,}")
    container = read_container(data)
    if max(container.width, container.height) > MAX_SIDE:
        raise _oversized(f"{container.width:,} x {container.height:,} pixels", f"{MAX_SIDE:,} along one side")
    if container.width * container.height > limits.pixels:
        raise _oversized(f"{container.width:,} x {container.height:,} pixels", f"{limits.pixels:,} in all")
    if container.scans > limits.scans:
        raise _oversized(f"{container.scans:,} scans", f"{limits.scans:,}")
    return container


def _oversized(size: str, limit: str) -> OversizedPicture:
    return OversizedPicture(f"a picture of {size} is over the limit of {limit}", hint="Make the picture smaller.")


def _orientation(container: Container, data: bytes) -> int:
    return UPRIGHT if container.exif is None else read_orientation(data[slice(*container.exif)])


@contextmanager
def _decoding() -> Iterator[None]:
    """Turn whatever the imaging library raises into a `PictureError`, and silence what it warns of.

    Its size warning comes above our own limits, the others are about metadata. (Warning filters belong to the whole
    process: decode in one thread at a time.)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except PictureError:
            raise
        except (MemoryError, Image.DecompressionBombError) as error:
            raise OversizedPicture("the picture is too large to decode here", hint="Make it smaller.") from error
        except Exception as error:  # decoders raise nearly anything on hostile bytes
            raise CorruptPicture(f"the picture cannot be decoded: {error}") from error


def _open(container: Container, data: bytes) -> Image.Image:
    needed = b"".join(data[start:end] for start, end in container.needed)
    image = Image.open(io.BytesIO(needed), formats=[container.format.value])
    if image.size != (container.width, container.height):
        raise CorruptPicture("two readers disagree about the size of the picture")
    return image


def _opaque(image: Image.Image, mode: str) -> Image.Image:
    """Return the picture in `mode`, "L" (grey) or "RGB", over white."""
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if not image.has_transparency_data:
        return image.convert(mode)
    image = image.convert("RGBA")
    over = Image.new(mode, image.size, "white")
    over.paste(image.convert(mode), mask=image.getchannel("A"))
    return over


def _eight_bits(image: Image.Image) -> Image.Image:
    """Keep the upper half of 16-bit grey, as decoders do with 16-bit colour; its transparent value becomes white."""
    deep = np.asarray(image).astype(np.uint16)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        deep[deep == transparent] = 0xFFFF
    return Image.fromarray((deep >> 8).astype(np.uint8))
