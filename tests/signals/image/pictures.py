"""Harmless pictures for the tests: photographs that ship with scikit-image and Matplotlib, and small renderings."""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
import skimage
from PIL import Image

_SKIMAGE = Path(skimage.__file__).parent / "data"
_MATPLOTLIB = Path(matplotlib.get_data_path()) / "sample_data"

#: Photographs, in colour and grey, large and small, even and odd.
PHOTOGRAPHS = (
    *(
        _SKIMAGE / name
        for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png", "coins.png")
    ),
    *(_SKIMAGE / name for name in ("motorcycle_left.png", "hubble_deep_field.jpg", "moon.png")),
    _MATPLOTLIB / "grace_hopper.jpg",
)


@lru_cache
def photograph(name: str = "astronaut") -> Image.Image:
    """One photograph, by the stem of its file, in RGB."""
    (path,) = (path for path in PHOTOGRAPHS if path.stem == name)
    with Image.open(path) as image:
        return image.convert("RGB")


@lru_cache
def small(name: str = "chelsea", size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A photograph made small, so that its files have few bytes."""
    return photograph(name).resize(size, Image.Resampling.LANCZOS)


def file_of(image: Image.Image, form: str, **options: object) -> bytes:
    """The picture as a file of the given format."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@lru_cache
def samples() -> dict[str, bytes]:
    """One small file of each kind of container."""
    image = small()
    other = small("coffee")
    return {
        "jpeg": file_of(image, "JPEG"),
        "jpeg-progressive": file_of(image, "JPEG", progressive=True),
        "jpeg-restarts": file_of(image, "JPEG", restart_marker_blocks=2),
        "jpeg-grey": file_of(image.convert("L"), "JPEG"),
        "jpeg-cmyk": file_of(image.convert("CMYK"), "JPEG"),
        "jpeg-metadata": file_of(image, "JPEG", exif=exif(1), icc_profile=b"profile", comment=b"comment", dpi=(72, 72)),
        "png": file_of(image, "PNG"),
        "png-alpha": file_of(image.convert("RGBA"), "PNG"),
        "png-palette": file_of(image.quantize(32), "PNG"),
        "png-bilevel": file_of(image.convert("1"), "PNG"),
        "png-metadata": file_of(image, "PNG", exif=exif(1), icc_profile=b"profile", dpi=(72, 72)),
        "png-animated": file_of(image, "PNG", save_all=True, append_images=[other]),
        "webp": file_of(image, "WEBP"),
        "webp-lossless": file_of(image, "WEBP", lossless=True),
        "webp-alpha": file_of(image.convert("RGBA"), "WEBP", exact=True),
        "webp-metadata": file_of(image, "WEBP", exif=exif(1), icc_profile=b"profile"),
        "webp-animated": file_of(image, "WEBP", save_all=True, append_images=[other]),
        "gif": file_of(image, "GIF"),
        "gif-animated": file_of(image, "GIF", save_all=True, append_images=[other], comment=b"comment", loop=0),
    }


def exif(orientation: int) -> bytes:
    """An EXIF block that holds an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def pixels_of(image: Image.Image) -> np.ndarray:
    """The picture's bytes as an array."""
    return np.asarray(image)
