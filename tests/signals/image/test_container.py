from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.image.pictures import chunk, exif, file_of, photograph, samples, segment, small
from tutela.signals.image import (
    CorruptPicture,
    Format,
    OversizedPicture,
    TruncatedPicture,
    UnknownFormat,
    container,
    pdq_of_list_item,
    read_container,
    sniff,
    strip_trailing,
)

SAMPLES = samples()
EACH = pytest.mark.parametrize("name", SAMPLES)
FIRST_BYTES = 16


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("inside.txt", "hidden")
    return buffer.getvalue()


TRAILERS = {
    "zip": archive(),
    "jpeg": SAMPLES["jpeg"],
    "png": SAMPLES["png"],
    "gif": SAMPLES["gif"],
    "webp": SAMPLES["webp"],
    "video": b"\0\0\0\x18ftypmp42" + bytes(100),
    "end-marks": b"\xff\xd9IEND\xaeB`\x82;",
    "one": b"\0",
}


@EACH
def test_format_and_size_are_read_from_the_content(name: str):
    kind = Format(name.split("-")[0].upper())
    assert sniff(SAMPLES[name]) is kind
    found = read_container(SAMPLES[name])
    assert (found.format, found.width, found.height) == (kind, 96, 64)
    assert found.end == len(SAMPLES[name])


def test_media_types():
    assert [kind.mimetype for kind in Format] == ["image/jpeg", "image/png", "image/webp", "image/gif"]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"\xff\xd8", b"GIF8", b"%PDF-1.7", b"BM" + bytes(60), b"RIFF\4\0\0\0WAVE", b"\0\0\0\x1cftypheic"],
)
def test_anything_else_is_no_picture(data: bytes):
    with pytest.raises(UnknownFormat) as raised:
        strip_trailing(data)
    assert raised.value.code == "unknown-format"
    assert raised.value.hint


@given(st.text())
def test_text_is_no_picture(text: str):
    with pytest.raises(UnknownFormat):
        sniff(text.encode(errors="replace"))


@EACH
@pytest.mark.parametrize("trailer", TRAILERS)
def test_what_trails_is_cut_and_nothing_else(name: str, trailer: str):
    assert strip_trailing(SAMPLES[name] + TRAILERS[trailer]) == SAMPLES[name]


@EACH
@given(trailing=st.binary(max_size=200))
def test_cutting_is_idempotent_and_keeps_the_hash(name: str, trailing: bytes):
    data = SAMPLES[name] + trailing
    stripped = strip_trailing(data)
    assert strip_trailing(stripped) == stripped == SAMPLES[name]
    assert pdq_of_list_item(data).hex == pdq_of_list_item(stripped).hex


@EACH
def test_cut_short_anywhere(name: str):
    data = SAMPLES[name]
    for length in range(FIRST_BYTES, len(data)):
        with pytest.raises(TruncatedPicture):
            read_container(data[:length])
    for length in range(FIRST_BYTES):
        with pytest.raises((TruncatedPicture, UnknownFormat)):
            read_container(data[:length])


@given(st.integers(FIRST_BYTES, 10**9))
def test_a_large_file_cut_short_anywhere(length: int):
    data = file_of(photograph(), "JPEG", progressive=True, exif=exif(6))
    with pytest.raises(TruncatedPicture):
        strip_trailing(data[: min(length, len(data) - 1)])


def test_a_thumbnail_inside_metadata_does_not_end_a_jpeg():
    thumbnail = SAMPLES["jpeg"]
    head, rest = SAMPLES["jpeg"][:2], SAMPLES["jpeg"][2:]
    disguised = head + segment(0xE1, b"Exif\0\0" + thumbnail) + segment(0xFE, b"\xff\xd9" * 9) + rest
    assert strip_trailing(disguised + b"tail") == disguised
    assert read_container(disguised).width == 96
    assert pdq_of_list_item(disguised).hex == pdq_of_list_item(SAMPLES["jpeg"]).hex


def test_end_marks_inside_other_containers_do_not_end_them():
    png = SAMPLES["png"]
    with_end = png[:33] + chunk(b"teST", chunk(b"IEND", b"") * 3) + png[33:]
    assert strip_trailing(with_end + png) == with_end
    gif = SAMPLES["gif-animated"]
    table = 13 + (3 << (gif[10] & 7) + 1)
    with_trailer = gif[:table] + b"\x21\xfe\x03;;;\0" + gif[table:]
    assert strip_trailing(with_trailer + b";;") == with_trailer


def test_only_the_first_of_several_pictures_counts():
    two = file_of(small(), "JPEG") + file_of(small("coffee"), "JPEG")
    assert strip_trailing(two) == SAMPLES["jpeg"]
    assert pdq_of_list_item(two).hex == pdq_of_list_item(SAMPLES["jpeg"]).hex


def test_a_multi_picture_jpeg_keeps_its_first():
    several = file_of(small(), "MPO", save_all=True, append_images=[small("coffee")])
    first = strip_trailing(several)
    assert len(first) < len(several)
    assert pdq_of_list_item(several).hex == pdq_of_list_item(first).hex


def test_scans_are_counted():
    assert read_container(SAMPLES["jpeg"]).scans == 1
    assert read_container(SAMPLES["jpeg-progressive"]).scans == 10
    assert read_container(SAMPLES["jpeg-restarts"]).scans == 1


def test_restart_markers_and_fill_bytes_belong_to_the_picture():
    data = SAMPLES["jpeg-restarts"]
    assert b"\xff\xd0" in data
    filled = data[:-2] + b"\xff\xff\xff" + data[-2:]
    assert strip_trailing(filled + b"x") == filled


@pytest.mark.parametrize("name", ["jpeg-metadata", "png-metadata", "png-animated"])
def test_decoders_get_no_metadata(name: str):
    data = SAMPLES[name]
    marks = [mark for mark in (b"Exif", b"eXIf", b"ICC", b"iCCP", b"comment", b"acTL", b"fdAT") if mark in data]
    needed = b"".join(data[start:end] for start, end in read_container(data).needed)
    assert marks
    assert not any(mark in needed for mark in marks)


def test_decoders_get_one_frame_of_a_gif():
    data = SAMPLES["gif-animated"]
    (start, first), (trailer, end) = read_container(data).needed
    assert start == 0 < first < trailer
    assert data[trailer:end] == b";"


@pytest.mark.parametrize("name", ["jpeg-metadata", "png-metadata", "webp-metadata"])
def test_the_orientation_is_found(name: str):
    found = read_container(SAMPLES[name]).exif
    assert found is not None
    assert SAMPLES[name][slice(*found)] == exif(1).removeprefix(b"Exif\0\0")


JPEG, PNG, WEBP, GIF = (SAMPLES[name] for name in ("jpeg", "png", "webp", "gif"))
FRAME = JPEG.index(b"\xff\xc0")
SCAN = JPEG.index(b"\xff\xda")
HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 96, 64, 8, 2, 0, 0, 0))


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@pytest.mark.parametrize(
    "data",
    {
        "a second start": JPEG[:2] + b"\xff\xd8" + JPEG[2:],
        "a reserved marker": JPEG[:2] + b"\xff\x02\0\2" + JPEG[2:],
        "an impossible length": JPEG[:2] + b"\xff\xfe\0\1" + JPEG[2:],
        "two frames": JPEG[:FRAME] + segment(0xC0, bytes(15)) + JPEG[FRAME:],
        "a short frame": JPEG[:FRAME] + segment(0xC0, b"\x08") + JPEG[FRAME:],
        "no frame": JPEG[:FRAME] + JPEG[SCAN:],
        "no scan": JPEG[:SCAN] + b"\xff\xd9",
        "height left open": put(JPEG, FRAME + 5, b"\0\0"),
        "no width": put(JPEG, FRAME + 7, b"\0\0"),
        "no png header": PNG[:8] + chunk(b"IDAT", b"") + PNG[8:],
        "two png headers": PNG[:33] + HEADER + PNG[33:],
        "a long png header": PNG[:8] + chunk(b"IHDR", bytes(14)) + PNG[33:],
        "an unnamed chunk": PNG[:33] + chunk(b"\0abc", b"") + PNG[33:],
        "no png width": PNG[:8] + chunk(b"IHDR", bytes(13)) + PNG[33:],
        "an empty webp": b"RIFF\4\0\0\0WEBP",
        "a webp chunk over the end": put(WEBP, 16, struct.pack("<I", len(WEBP))),
        "another webp chunk first": put(WEBP, 12, b"ALPH"),
        "no webp key frame": put(WEBP, 23, b"\0\0\0"),
        "a gif without picture": GIF[: 13 + (3 << (GIF[10] & 7) + 1)] + b";",
        "a gif with gaps": GIF[:-1] + b"\0;",
    }.items(),
    ids=lambda item: item[0],
)
def test_contradictions(data: tuple[str, bytes]):
    with pytest.raises(CorruptPicture) as raised:
        strip_trailing(data[1])
    assert raised.value.code == "corrupt-picture"


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCA, 0xCF])
def test_kinds_of_jpeg_that_nobody_shows(marker: int):
    with pytest.raises(UnknownFormat, match="JPEG"):
        strip_trailing(put(JPEG, FRAME + 1, bytes([marker])))


def bare(kind: str, parts: int, sub_blocks: int = 1) -> bytes:
    """A container of exactly `parts` parts, hardly a picture."""
    if kind == "jpeg":
        return b"\xff\xd8" + b"\xff\xfe\0\2" * (parts - 3) + segment(0xC0, b"\x08\0\1\0\1\0") + b"\xff\xda\0\2\xff\xd9"
    if kind == "png":
        return PNG[:8] + HEADER + chunk(b"teST", b"") * (parts - 2) + chunk(b"IEND", b"")
    if kind == "webp":
        body = WEBP[12:] + b"teST\0\0\0\0" * (parts - 2)
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    image = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2" + b"\1x" * sub_blocks + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + image + b"\x21\xfe\0" * (parts - 2) + b";"


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif"])
def test_parts_are_bounded(kind: str):
    most = bare(kind, container.MAX_PARTS)
    assert strip_trailing(most) == most
    with pytest.raises(OversizedPicture, match="parts") as raised:
        strip_trailing(bare(kind, container.MAX_PARTS + 1))
    assert raised.value.code == "oversized-picture"


def test_sub_blocks_are_bounded():
    most = bare("gif", 2, container.MAX_SUB_BLOCKS)
    assert strip_trailing(most) == most
    with pytest.raises(OversizedPicture, match="parts"):
        strip_trailing(bare("gif", 2, container.MAX_SUB_BLOCKS + 1))
