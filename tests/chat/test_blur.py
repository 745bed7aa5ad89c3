"""A blur keeps light and dark, and nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from chat.pair import photograph
from tutela.chat.blur import blur
from tutela.signals.image import OversizedPicture, PictureError


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_blur_is_eight_grey_pixels_wide(format: str):
    with Image.open(io.BytesIO(blur(photograph("astronaut", format)))) as small:
        assert (small.format, small.size, small.mode) == ("PNG", (8, 8), "L")


def test_it_follows_light_and_dark():
    picture = Image.new("RGB", (512, 512), "black")
    picture.paste("white", (256, 0, 512, 512))
    out = io.BytesIO()
    picture.save(out, "PNG")
    with Image.open(io.BytesIO(blur(out.getvalue()))) as small:
        pixels = np.asarray(small)
    assert (pixels[:, :4] < 20).all()
    assert (pixels[:, 4:] > 235).all()


def test_a_blur_carries_no_metadata():
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "JPEG", comment=b"somewhere")
    assert b"somewhere" in out.getvalue()
    assert b"somewhere" not in blur(out.getvalue())


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"<svg/>", photograph()[:400]])
def test_what_is_no_picture_has_no_blur(data: bytes):
    with pytest.raises(PictureError):
        blur(data)


def test_a_bomb_is_not_decoded():
    out = io.BytesIO()
    Image.new("1", (9000, 9000)).save(out, "PNG")
    with pytest.raises(OversizedPicture):
        blur(out.getvalue())
