"""Only pictures reach a browser, and a blur keeps no shapes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chat.pair import photograph
from tutela.chat.pictures import NotAPicture, blur


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_blur_is_eight_pixels_wide(format: str):
    with Image.open(io.BytesIO(blur(photograph("astronaut", format)))) as small:
        assert (small.format, small.size) == ("PNG", (8, 8))


def test_a_blur_carries_no_metadata():
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "JPEG", comment=b"somewhere", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    assert b"somewhere" not in blur(out.getvalue())


@given(st.binary(max_size=300))
def test_what_is_no_picture_has_no_blur(data: bytes):
    for head in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a"):
        with pytest.raises(NotAPicture):
            blur(head + data)


def test_a_bomb_is_not_decoded():
    out = io.BytesIO()
    Image.new("1", (9000, 9000)).save(out, "PNG")
    with pytest.raises(NotAPicture, match="many pixels"):
        blur(out.getvalue())
