from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from signals.image.pictures import chunk, exif, file_of, photograph, pixels_of, samples, segment, small
from tutela.signals.image import (
    CorruptPicture,
    Format,
    Limits,
    OversizedPicture,
    PictureError,
    UnknownFormat,
    decode,
    luminance,
    pdq_from_pixels,
    pdq_of_list_item,
    strip_trailing,
    views,
)
from tutela.signals.image.orientation import read_orientation

SAMPLES = samples()
T = Image.Transpose
#: What turns the stored picture upright, as the EXIF standard draws it.
TURNS = {
    2: T.FLIP_LEFT_RIGHT,
    3: T.ROTATE_180,
    4: T.FLIP_TOP_BOTTOM,
    5: T.TRANSPOSE,
    6: T.ROTATE_270,
    7: T.TRANSVERSE,
    8: T.ROTATE_90,
}
BACK = {**TURNS, 6: T.ROTATE_90, 8: T.ROTATE_270}
PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, body: bytes = b"", extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return PNG_HEAD + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def stored(orientation: int) -> Image.Image:
    upright = photograph("rocket")
    return upright.transpose(BACK[orientation]) if orientation in BACK else upright


# --- What is decoded


@pytest.mark.parametrize("name", SAMPLES)
def test_each_kind_is_read_and_looks_the_same(name: str):
    expected = pdq_from_pixels(pixels_of(small()))
    hashed = pdq_of_list_item(SAMPLES[name])
    luma = luminance(SAMPLES[name])
    assert (luma.format, luma.width, luma.height, luma.scale) == (Format(name.split("-")[0].upper()), 96, 64, 1)
    assert (luma.pixels.shape, luma.pixels.dtype) == ((512, 512), np.uint8)
    assert expected.distance(hashed) <= (80 if name == "png-bilevel" else 24)
    assert hashed.distance(views(luma)[0].pdq) <= 60


@pytest.mark.parametrize("form", ["PNG", "GIF"])
@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee"])
def test_lossless_files_of_grey_pictures_hash_as_their_pixels(form: str, name: str):
    grey = photograph(name).convert("L")
    assert pdq_of_list_item(file_of(grey, form)).hex == pdq_from_pixels(pixels_of(grey)).hex


@pytest.mark.parametrize("options", [{"form": "PNG"}, {"form": "WEBP", "lossless": True}], ids=["png", "webp"])
def test_lossless_files_in_colour_hash_as_their_pixels(options: dict[str, object]):
    image = photograph("chelsea")
    assert pdq_of_list_item(file_of(image, **options)).hex == pdq_from_pixels(pixels_of(image)).hex


def test_a_jpeg_hashes_as_its_decoded_pixels():
    data = file_of(photograph(), "JPEG", quality=80)
    with Image.open(io.BytesIO(data)) as image:
        assert pdq_of_list_item(data).hex == pdq_from_pixels(pixels_of(image)).hex


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True})])
def test_orientations_agree_exactly_where_nothing_is_lost(form: str, options: dict[str, object], orientation: int):
    upright = photograph("rocket")
    data = file_of(stored(orientation), form, exif=exif(orientation), **options)
    assert pdq_of_list_item(data).hex == pdq_from_pixels(pixels_of(upright)).hex
    expected = luminance(file_of(upright, form, **options)).pixels.astype(int)
    assert np.abs(luminance(data).pixels - expected).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_of_a_jpeg_agree(orientation: int):
    expected = pdq_from_pixels(pixels_of(photograph("rocket")))
    data = file_of(stored(orientation), "JPEG", quality=92, exif=exif(orientation))
    assert pdq_of_list_item(data).distance(expected) <= 6
    luma = luminance(data)
    assert views(luma)[0].pdq.distance(expected) <= 12
    assert (luma.width, luma.height) == stored(orientation).size


def test_an_orientation_makes_a_difference():
    hashes = {pdq_of_list_item(file_of(photograph("rocket"), "PNG", exif=exif(turn))).hex for turn in range(1, 9)}
    assert len(hashes) == 8


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_in_either_byte_order(order: str):
    block = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HIH HHIHxx", 42, 8, 1, 0x0112, 3, 1, 6)
    assert read_orientation(block) == 6
    for entry in ((0x0112, 3, 1, 0), (0x0112, 3, 1, 9), (0x0112, 4, 1, 6), (0x0112, 3, 2, 6), (0x0113, 3, 1, 6)):
        assert read_orientation(block[:10] + struct.pack(f"{order}HHIHxx", *entry)) == 1
    for length in range(len(block) - 2):
        assert read_orientation(block[:length]) == 1


@given(st.binary(max_size=64))
def test_any_exif_is_an_orientation(block: bytes):
    for head in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        assert 1 <= read_orientation(head + block) <= 8


def test_orientation_in_a_webp_with_the_head_of_a_jpeg():
    plain = file_of(stored(6), "WEBP", lossless=True, exif=exif(6).removeprefix(b"Exif\0\0"))
    headed = file_of(stored(6), "WEBP", lossless=True, exif=b"Exif\0\0" + exif(6).removeprefix(b"Exif\0\0"))
    assert pdq_of_list_item(plain).hex == pdq_of_list_item(headed).hex
    assert pdq_of_list_item(plain).hex == pdq_from_pixels(pixels_of(photograph("rocket"))).hex


def test_transparency_is_seen_over_white():
    shown = photograph("coffee")
    hidden = photograph("astronaut").resize(shown.size)
    left = np.zeros((shown.height, shown.width), np.uint8)
    left[:, : shown.width // 2] = 255
    layered = Image.composite(shown, hidden, Image.fromarray(left))
    layered.putalpha(Image.fromarray(left))
    over_white = Image.composite(shown, Image.new("RGB", shown.size, "white"), Image.fromarray(left))
    data = file_of(layered, "PNG")
    assert pdq_of_list_item(data).hex == pdq_from_pixels(pixels_of(over_white)).hex
    expected = luminance(file_of(over_white, "PNG")).pixels.astype(int)
    assert np.abs(luminance(data).pixels - expected).max() <= 1


def test_a_transparent_colour_or_palette_entry_is_white():
    square = np.zeros((64, 64, 3), np.uint8)
    square[16:48, 16:48] = (200, 30, 30)
    white = square.copy()
    white[16:48, 16:48] = 255
    expected = luminance(file_of(Image.fromarray(white), "PNG")).pixels
    for image, key in (
        (Image.fromarray(square), (200, 30, 30)),
        (Image.fromarray(square).quantize(2), None),
        (Image.fromarray(square[..., 0]), 200),
    ):
        entry = image.getpixel((32, 32)) if key is None else key
        for form in ("PNG", "GIF") if image.mode == "P" else ("PNG",):
            assert np.array_equal(luminance(file_of(image, form, transparency=entry)).pixels, expected)


def test_fully_transparent_pictures_have_no_quality():
    image = photograph().copy()
    image.putalpha(0)
    for form, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        assert pdq_of_list_item(file_of(image, form, **options)).quality == 0


def test_sixteen_bits_are_those_of_eight():
    grey = pixels_of(photograph("camera").convert("L"))
    deep = Image.fromarray(grey.astype(np.uint16) << 8 | 0x5A)
    assert deep.mode == "I;16"
    assert pdq_of_list_item(file_of(deep, "PNG")).hex == pdq_from_pixels(grey).hex
    rgb = pixels_of(photograph("chelsea"))
    rows = (rgb.astype(">u2") << 8 | 0x5A).astype(">u2").reshape(len(rgb), -1)
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    data = png(rgb.shape[1], rgb.shape[0], depth=16, body=body)
    assert pdq_of_list_item(data).hex == pdq_from_pixels(rgb).hex


def test_the_transparent_value_of_sixteen_bits_is_white():
    deep = np.full((64, 64), 0x1234, np.uint16)
    deep[16:48, 16:48] = 0x1200
    body = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    data = png(64, 64, depth=16, colour=0, body=body, extra=chunk(b"tRNS", b"\x12\0"))
    pixels = luminance(data).pixels
    assert pixels[256, 256] == 255
    assert pixels[5, 5] == 0x12


def test_bilevel_and_cmyk():
    for image, form in ((photograph("camera").convert("1"), "PNG"), (photograph().convert("CMYK"), "JPEG")):
        rgb = pixels_of(photograph("camera" if form == "PNG" else "astronaut").convert("RGB"))
        found = pdq_of_list_item(file_of(image, form))
        assert found.distance(pdq_from_pixels(rgb)) <= 12
        assert found.distance(views(luminance(file_of(image, form)))[0].pdq) <= 12


@pytest.mark.parametrize("name", ["gif-animated", "webp-animated", "png-animated"])
def test_of_an_animation_the_first_frame_counts(name: str):
    form = name.split("-")[0].upper()
    assert pdq_of_list_item(SAMPLES[name]).distance(pdq_of_list_item(file_of(small(), form))) <= 10
    assert pdq_of_list_item(SAMPLES[name]).distance(pdq_of_list_item(file_of(small("coffee"), form))) > 60


@pytest.mark.parametrize(
    ("size", "scale"), [((511, 600), 1), ((1023, 2000), 1), ((1024, 1024), 2), ((2048, 2100), 4), ((4096, 4200), 8)]
)
def test_a_query_is_decoded_at_the_smallest_scale_that_fills_it(size: tuple[int, int], scale: int):
    image = photograph("chelsea").resize(size)
    luma = luminance(file_of(image, "JPEG"))
    assert (luma.scale, luma.width, luma.height) == (scale, *size)
    assert luminance(file_of(image.reduce(2), "PNG")).scale == 1


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_scaled_decoding_hardly_moves_the_hash(mode: str):
    image = photograph("hubble_deep_field" if mode == "L" else "astronaut").resize((2400, 1800)).convert(mode)
    data = file_of(image, "JPEG", quality=90)
    assert luminance(data).scale == 2
    assert views(luminance(data))[0].pdq.distance(pdq_of_list_item(data)) <= 12


# --- What is refused


def test_the_wrong_name_is_no_matter():
    """There is no name: only the content says what a file is, and only that decoder is tried."""
    disguised = PNG_HEAD + SAMPLES["jpeg"]
    with pytest.raises(PictureError):
        luminance(disguised)


def test_bytes_are_limited():
    data = SAMPLES["png"]
    assert luminance(data, Limits(bytes=len(data)))
    for read in (luminance, pdq_of_list_item):
        with pytest.raises(OversizedPicture, match="bytes") as raised:
            read(data, Limits(bytes=len(data) - 1))
        assert raised.value.hint


@pytest.mark.parametrize("name", SAMPLES)
def test_pixels_are_limited(name: str):
    assert pdq_of_list_item(SAMPLES[name], Limits(pixels=96 * 64))
    for read in (luminance, pdq_of_list_item):
        with pytest.raises(OversizedPicture, match="96 x 64 pixels"):
            read(SAMPLES[name], Limits(pixels=96 * 64 - 1))


def test_scans_are_limited():
    data = SAMPLES["jpeg-progressive"]
    assert luminance(data, Limits(scans=10))
    with pytest.raises(OversizedPicture, match="10 scans"):
        luminance(data, Limits(scans=9))


def test_a_scan_bomb():
    data = SAMPLES["jpeg-progressive"]
    last = data[data.rindex(b"\xff\xc4", 0, data.rindex(b"\xff\xda")) : -2]
    most = data[:-2] + last * (Limits().scans - 10) + data[-2:]
    assert luminance(most)
    with pytest.raises(OversizedPicture, match="65 scans"):
        luminance(most[:-2] + last + most[-2:])


def test_the_longest_side_is_limited():
    longest = png(decode.MAX_SIDE, 1, colour=0, body=b"\0" + bytes(decode.MAX_SIDE))
    assert luminance(longest).width == decode.MAX_SIDE
    with pytest.raises(OversizedPicture, match="one side"):
        luminance(png(decode.MAX_SIDE + 1, 1, colour=0, body=b"\0" + bytes(decode.MAX_SIDE + 1)))


@pytest.fixture
def no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a decoder was started")

    monkeypatch.setattr(Image, "open", never)


def jpeg_of(width: int, height: int) -> bytes:
    data = SAMPLES["jpeg"]
    frame = data.index(b"\xff\xc0")
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]


def webp_of(name: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBP" + name + struct.pack("<I", len(body)) + body


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize(
    "bomb",
    {
        "png": png(65_535, 65_535),
        "png-wider": png(2**31 - 1, 1),
        "jpeg": jpeg_of(65_500, 65_500),
        "gif-screen": b"GIF89a\xff\xff\xff\xff" + SAMPLES["gif"][10:],
        "webp-lossy": webp_of(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\xff\x3f\xff\x3f"),
        "webp-lossless": webp_of(b"VP8L", b"\x2f\xff\xff\xff\x0f\0"),
        "webp-extended": webp_of(b"VP8X", bytes(4) + b"\xff\xff\xff" * 2),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_bomb_is_refused_by_its_header(bomb: tuple[str, bytes]):
    for read in (luminance, pdq_of_list_item):
        with pytest.raises(OversizedPicture, match="pixels is over the limit"):
            read(bomb[1])


@pytest.mark.usefixtures("no_decoder")
def test_a_gif_whose_frame_is_larger_than_its_screen_counts_as_large():
    data = bytearray(SAMPLES["gif"])
    at = data.index(b"\x2c\0\0\0\0\x60\0\x40\0")
    data[at + 1 : at + 9] = struct.pack("<HHHH", 60_000, 60_000, 96, 64)
    with pytest.raises(OversizedPicture, match="60,096 x 60,064"):
        luminance(bytes(data))


def test_beyond_pillows_own_limit_a_larger_one_of_ours_is_still_refused():
    with pytest.raises(OversizedPicture, match="decode here"):
        luminance(png(20_000, 20_000), Limits(pixels=10**9))


def test_pillows_size_warning_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 96 * 64 - 1)
    assert luminance(SAMPLES["png"]).width == 96


def test_too_little_memory_is_a_size(monkeypatch: pytest.MonkeyPatch):
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "resize", exhausted)
    with pytest.raises(OversizedPicture):
        luminance(SAMPLES["png"])


def test_readers_that_disagree_about_the_size(monkeypatch: pytest.MonkeyPatch):
    opened = Image.open
    monkeypatch.setattr(Image, "open", lambda *_, **__: opened(io.BytesIO(file_of(small(size=(95, 64)), "PNG"))))
    with pytest.raises(CorruptPicture, match="disagree"):
        luminance(SAMPLES["png"])


def test_truncated_pictures_are_never_completed():
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    with pytest.raises(CorruptPicture, match="cannot be decoded"):
        luminance(png(64, 64, body=bytes(100)))


def test_a_compressed_stream_that_never_ends_costs_nothing():
    stream = zlib.compressobj(9)
    body = b"".join(stream.compress(bytes(1 << 20)) for _ in range(64)) + stream.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    assert luminance(PNG_HEAD + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")).width == 8


def test_hostile_metadata_reaches_no_decoder():
    bomb = b"comment\0\0" + zlib.compress(bytes(1 << 27))
    data = SAMPLES["png"]
    for extra in (chunk(b"zTXt", bomb), chunk(b"iCCP", b"icc\0\0" + bomb[9:]), chunk(b"eXIf", b"II*\0" + b"\xff" * 60)):
        assert pdq_of_list_item(data[:33] + extra + data[33:]).hex == pdq_of_list_item(data).hex
    jpeg = SAMPLES["jpeg"]
    for extra in (
        segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff"),
        segment(0xE2, b"MPF\0junk"),
        segment(0xED, b"8BIM"),
    ):
        assert pdq_of_list_item(jpeg[:2] + extra + jpeg[2:]).hex == pdq_of_list_item(jpeg).hex


@pytest.mark.parametrize(
    "data", [b"", b"hello, this is text", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(1000)]
)
def test_what_is_no_picture(data: bytes):
    for read in (luminance, pdq_of_list_item):
        with pytest.raises(UnknownFormat):
            read(data)


@pytest.mark.parametrize("name", SAMPLES)
@settings(deadline=None, max_examples=60)
@given(draw=st.data())
def test_corrupt_bytes_raise_nothing_but_picture_errors(name: str, draw: st.DataObject):
    data = bytearray(SAMPLES[name])
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data) - 1))
        kind = draw.draw(st.sampled_from(["put", "insert", "remove"]))
        new = draw.draw(st.binary(min_size=1, max_size=8))
        data[at : at + {"put": len(new), "insert": 0, "remove": 8}[kind]] = b"" if kind == "remove" else new
    whole = bytes(data)
    for read in (strip_trailing, luminance, pdq_of_list_item):
        with contextlib.suppress(PictureError):
            read(whole)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_header_byte_may_be_anything(name: str):
    for at in range(min(64, len(SAMPLES[name]))):
        for value in (0x00, 0x7F, 0xFF):
            data = SAMPLES[name][:at] + bytes([value]) + SAMPLES[name][at + 1 :]
            with contextlib.suppress(PictureError):
                luminance(data, Limits(pixels=1_000_000))
