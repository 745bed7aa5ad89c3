"""Files that lie about what they are, and pictures that bite."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tutela.provider.errors import PictureUnreadable, StorageUnavailable
from tutela.provider.review.files import kind_of, pretends
from tutela.provider.review.previews import Previews
from tutela.signals.image import PictureError, TruncatedPicture
from tutela.signals.image.preview import SIDES, Look, preview


def photograph(kind: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(out, kind, **options)
    return out.getvalue()


def bomb(side: int = 60_000) -> bytes:
    """A small PNG that says it is very large."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_the_child_imports_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in ("PIL", "numpy", "tutela"):
        (tmp_path / f"{module}.py").write_text("open('imported', 'w')")
    (tmp_path / "picture").write_bytes(photograph())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    Previews().make(tmp_path / "picture", Look.BLURRED)
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (photograph(), "image/jpeg"),
        (photograph("PNG"), "image/png"),
        (photograph("WEBP"), "image/webp"),
        (photograph("GIF"), "image/gif"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        (b"\x00\x00\x00\x20ftypheic", "image/heic"),
        (b"PK\x03\x04", "application/zip"),
        (b"MZ\x90", "application/vnd.microsoft.portable-executable"),
        (b"  <SVG onload=alert(1)>", "image/svg+xml"),
        (b"<!DOCTYPE html><script>", "text/html"),
        (b"xxxxxxxxWEBP", ""),
        (b"hello", ""),
        (b"", ""),
    ],
)
def test_what_a_file_shows(head: bytes, kind: str) -> None:
    assert kind_of(head[:512]) == kind


@pytest.mark.parametrize(
    ("shown", "media_type", "name", "lies"),
    [
        ("image/jpeg", "image/jpeg", "a.jpg", False),
        ("image/jpeg", "image/jpg", "a.JPEG", False),
        ("image/jpeg", "", "picture", False),
        ("image/jpeg", "image/png", "a.jpg", True),
        ("application/zip", "image/jpeg", "a.jpg", True),
        ("application/vnd.microsoft.portable-executable", "", "photo.jpg", True),
        ("application/zip", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "a.docx", False),
        ("text/html", "image/png", "", True),
        ("video/mp4", "video/quicktime", "a.mov", False),
        ("", "image/jpeg", "", True),
        ("", "text/plain", "notes.txt", False),
        ("", "application/octet-stream", "x", False),
    ],
)
def test_what_a_file_says_of_itself(shown: str, media_type: str, name: str, lies: bool) -> None:
    assert pretends(shown, media_type, name) is lies


def test_a_blurred_picture_holds_nothing_to_recognise() -> None:
    """Grey, and what varies in it is ten points wide: the detail is gone, not hidden."""
    data = photograph()

    blurred = opened(preview(data, Look.BLURRED))

    assert (blurred.mode, max(blurred.size)) == ("L", 240)
    again = blurred.resize((10, 10), Image.Resampling.BOX).resize(blurred.size, Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(again, float) - np.asarray(blurred, float)).mean() < 6


@pytest.mark.parametrize(("look", "mode"), [(Look.GREY, "L"), (Look.COLOUR, "RGB")])
def test_a_clear_picture_is_bounded_and_bare(look: Look, mode: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    made = opened(preview(photograph(exif=exif), look))

    assert (made.mode, max(made.size)) == (mode, min(512, SIDES[look]))
    assert not made.getexif()
    assert not made.info


def test_a_picture_is_shown_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("L", (40, 20), 255).save(out, "JPEG", exif=exif)

    assert opened(preview(out.getvalue(), Look.GREY)).size == (20, 40)


def test_a_very_long_picture() -> None:
    out = io.BytesIO()
    Image.new("L", (8000, 1), 100).save(out, "PNG")

    assert opened(preview(out.getvalue(), Look.BLURRED)).size == (240, 1)


@pytest.mark.parametrize("look", list(Look))
def test_the_child_makes_them(tmp_path: Path, look: Look) -> None:
    file = tmp_path / "a"
    file.write_bytes(photograph())

    assert Previews().make(file, look) == preview(photograph(), look)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "unknown-format"),
        (b"<svg/>", "unknown-format"),
        (bomb(), "oversized-picture"),
        (photograph()[:5000], "truncated-picture"),
        (b"PK\x03\x04" + photograph(), "unknown-format"),
        (bomb(100), "corrupt-picture"),
    ],
    ids=["empty", "svg", "bomb", "cut short", "zip", "damaged"],
)
def test_what_is_no_good_picture(tmp_path: Path, data: bytes, code: str) -> None:
    file = tmp_path / "a"
    file.write_bytes(data)

    with pytest.raises(PictureUnreadable, match=code):
        Previews().make(file, Look.BLURRED)


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(photograph())

    with pytest.raises(PictureUnreadable, match="decoder-failed"):
        Previews(seconds=0).make(file, Look.GREY)


def test_a_file_that_has_gone(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        Previews().make(tmp_path / "a", Look.GREY)


def test_errors_are_pictures_errors() -> None:
    with pytest.raises(TruncatedPicture):
        preview(photograph()[:5000], Look.GREY)
    assert issubclass(TruncatedPicture, PictureError)
