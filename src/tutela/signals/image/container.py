"""Where a picture ends within its file, and what a decoder needs of it.

The end is found by walking the format's own structure, never by searching for an end mark: bytes inside a metadata
segment (a thumbnail with its own end mark, say) cannot fool it. What follows the end (the video of a motion photo, a
zip archive, a second picture) is not part of the picture: it is neither hashed nor sent.

Not looked at, although a viewer may show it: thumbnails and previews inside metadata, gain maps and further pictures
behind a JPEG's end, frames of a GIF after the first, and the animation of a PNG (its still `IDAT` picture counts).
Of an animated WebP the first frame counts. Metadata *inside* the container stays when the end is cut.

Sources: ITU-T T.81 annex B (JPEG), W3C PNG (third edition), RFC 9649 (WebP), GIF89a. Pure.
"""

from __future__ import annotations

import enum
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tutela.signals.image.errors import CorruptPicture, OversizedPicture, TruncatedPicture, UnknownFormat

#: Segments of a JPEG, chunks of a PNG or WebP, blocks of a GIF. (A PNG of 32 MiB in chunks of 8 KiB has 4,096.)
MAX_PARTS: Final = 1 << 16
#: Data sub-blocks of a GIF, all frames together. (32 MiB in full sub-blocks of 255 bytes are half as many.)
MAX_SUB_BLOCKS: Final = 1 << 18

Span = tuple[int, int]
"""Start and end of some bytes of the file."""


class Format(enum.StrEnum):
    """The formats that are read. Values are Pillow's names."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WEBP"
    GIF = "GIF"

    @property
    def mimetype(self) -> str:
        """The media type, such as `image/jpeg`."""
        return f"image/{self.value.lower()}"


@dataclass(frozen=True)
class Container:
    """What a file says of itself before anything is decoded. Width and height are as stored, in pixels."""

    format: Format
    width: int
    height: int
    scans: int
    """Passes over the pixels: the scans of a JPEG, else 1."""
    end: int
    """The picture is `data[:end]`."""
    needed: tuple[Span, ...]
    """What a decoder needs of it: the first picture, as far as possible without metadata."""
    exif: Span | None
    """The first EXIF block (TIFF structure), if there is one."""


def sniff(data: bytes) -> Format:
    """Return the format that the content shows; names and declared types are not asked.

    Raises:
        UnknownFormat: none of those that are read.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return Format.JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Format.PNG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return Format.WEBP
    if data.startswith((b"GIF87a", b"GIF89a")):
        return Format.GIF
    raise UnknownFormat(
        "this is not a JPEG, PNG, WebP or GIF picture", hint="Save the picture as JPEG or PNG and try again."
    )


def read_container(data: bytes) -> Container:
    """Walk the container that `data` starts with.

    Raises:
        UnknownFormat: another format, or a kind of JPEG that browsers do not show either.
        TruncatedPicture: the file ends first.
        CorruptPicture: the structure contradicts its format.
        OversizedPicture: more parts than any honest file has.
    """
    kind = sniff(data)
    container = _WALKERS[kind](data)
    if container.width == 0 or container.height == 0:
        raise CorruptPicture("the picture has no width or no height")
    return container


def strip_trailing(data: bytes) -> bytes:
    """Return the picture without what follows its end; idempotent. Raises as `read_container` does."""
    return data[: read_container(data).end]


# --- JPEG ---------------------------------------------------------------------------------------------------------

#: A marker, as libjpeg finds it: stuffed zeros and restart markers belong to the entropy-coded data, and anything
#: else between segments is skipped. No segment's content is ever searched: the walk steps over it by its length.
_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SOI, _EOI, _SOS, _TEM, _APP1 = 0xD8, 0xD9, 0xDA, 0x01, 0xE1
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
#: Lossless, hierarchical and arithmetic-coded frames. Arithmetic coding would allow bombs: megapixels from few bits.
_OTHER_FRAMES: Final = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD})
#: JFIF (APP0) and Adobe (APP14) say how colours are coded; the other application segments are metadata.
_COLOUR: Final = frozenset({0xE0, 0xEE})
_METADATA: Final = frozenset({*range(0xE0, 0xF0), 0xFE}) - _COLOUR
_EXIF_HEAD: Final = b"Exif\0\0"


def _jpeg(data: bytes) -> Container:
    size: tuple[int, int] | None = None
    exif: Span | None = None
    needed: list[Span] = []
    scans = kept_from = 0
    position = 2
    for _ in range(MAX_PARTS):
        found = _MARKER.search(data, position)
        if found is None:
            raise _cut_short()
        start, marker = found.start(), data[found.start() + 1]
        position = found.end()
        if marker == _EOI:
            if not scans or size is None:
                raise CorruptPicture("the JPEG ends before its picture begins")
            needed.append((kept_from, position))
            return Container(Format.JPEG, *size, scans, position, tuple(needed), exif)
        if marker == _TEM:
            continue
        if marker in _OTHER_FRAMES:
            raise UnknownFormat("a lossless, hierarchical or arithmetic-coded JPEG is not read here")
        if marker not in _FRAMES | _TABLES | _COLOUR | _METADATA | {_SOS}:
            raise CorruptPicture(f"the JPEG has a marker 0x{marker:02X} where none may be")
        (length,) = _unpack(">H", data, position)
        if length < 2:
            raise CorruptPicture("a JPEG segment is shorter than its own length field")
        body, position = position + 2, position + length
        if position > len(data):
            raise _cut_short()
        if marker in _FRAMES:
            if size is not None or length < 8:
                raise CorruptPicture("the JPEG's frame header is malformed or there are two")
            height, width = _unpack(">xHH", data, body)
            size = width, height
        elif marker == _SOS:
            if size is None:
                raise CorruptPicture("the JPEG has a scan before its frame header")
            scans += 1
        elif marker in _METADATA:
            if exif is None and marker == _APP1 and data.startswith(_EXIF_HEAD, body, position):
                exif = body + len(_EXIF_HEAD), position
            needed.append((kept_from, start))
            kept_from = position
    raise _too_many_parts()


# --- PNG ----------------------------------------------------------------------------------------------------------

_PNG_NEEDED: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def _png(data: bytes) -> Container:
    exif: Span | None = None
    needed: list[Span] = [(0, 8)]
    width = height = 0
    position = 8
    for part in range(MAX_PARTS):
        length, name = _unpack(">I4s", data, position)
        start, body, end = position, position + 8, position + 8 + length
        position = end + 4
        if position > len(data):
            raise _cut_short()
        if not name.isalpha():
            raise CorruptPicture("a PNG chunk has no proper name")
        if (name == b"IHDR") != (part == 0) or (part == 0 and length != 13):
            raise CorruptPicture("the PNG's header is missing, malformed or there are two")
        if part == 0:
            width, height = _unpack(">II", data, body)
        if name == b"eXIf" and exif is None:
            exif = body, end
        if name in _PNG_NEEDED:
            if needed[-1][1] == start:
                needed[-1] = needed[-1][0], position
            else:
                needed.append((start, position))
        if name == b"IEND":
            return Container(Format.PNG, width, height, 1, position, tuple(needed), exif)
    raise _too_many_parts()


# --- WebP ---------------------------------------------------------------------------------------------------------


def _webp(data: bytes) -> Container:
    end = 8 + _unpack("<I", data, 4)[0]
    if end > len(data):
        raise _cut_short()
    size: tuple[int, int] | None = None
    exif: Span | None = None
    position = 12
    for _ in range(MAX_PARTS):
        if position + 8 > end:
            if size is None:
                raise CorruptPicture("the WebP file holds no picture")
            return Container(Format.WEBP, *size, 1, end, ((0, end),), exif)
        name, length = _unpack("<4sI", data, position)
        body = position + 8
        if body + length > end:
            raise CorruptPicture("a WebP chunk is longer than its file")
        if size is None:
            size = _webp_size(name, data[body : min(body + 10, body + length)])
        elif name == b"EXIF" and exif is None:
            # Some writers keep JPEG's head in front of the TIFF structure.
            head = len(_EXIF_HEAD) if data.startswith(_EXIF_HEAD, body, body + length) else 0
            exif = body + head, body + length
        position = body + length + (length & 1)
    raise _too_many_parts()


def _webp_size(name: bytes, head: bytes) -> tuple[int, int]:
    if name == b"VP8X" and len(head) == 10:
        return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    if name == b"VP8L" and len(head) >= 5 and head[0] == 0x2F:
        packed = int.from_bytes(head[1:5], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if name == b"VP8 " and len(head) == 10 and head[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise CorruptPicture("the WebP file does not begin with a picture")


# --- GIF ----------------------------------------------------------------------------------------------------------

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B


def _gif(data: bytes) -> Container:
    width, height, flags = _unpack("<HHB", data, 6)
    position = 13 + _colour_table(flags)
    first: int | None = None
    budget = MAX_SUB_BLOCKS
    for _ in range(MAX_PARTS):
        (introducer,) = _unpack("B", data, position)
        if introducer == _TRAILER:
            if first is None:
                raise CorruptPicture("the GIF holds no picture")
            return Container(Format.GIF, width, height, 1, position + 1, ((0, first), (position, position + 1)), None)
        if introducer == _EXTENSION:
            position, budget = _sub_blocks(data, position + 2, budget)
        elif introducer == _IMAGE:
            left, top, wide, high, flags = _unpack("<HHHHB", data, position + 1)
            position, budget = _sub_blocks(data, position + 11 + _colour_table(flags), budget)
            if first is None:
                # Decoders enlarge the screen where the first frame reaches beyond it.
                width, height, first = max(width, left + wide), max(height, top + high), position
        else:
            raise CorruptPicture("the GIF has something between its blocks")
    raise _too_many_parts()


def _colour_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _sub_blocks(data: bytes, position: int, budget: int) -> tuple[int, int]:
    """Step over a chain of sub-blocks; return where it ends, and how many more the file may have."""
    try:
        while length := data[position]:
            position += 1 + length
            budget -= 1
            if budget < 0:
                raise _too_many_parts()
    except IndexError:
        raise _cut_short() from None
    return position + 1, budget


# ------------------------------------------------------------------------------------------------------------------


def _unpack(layout: str, data: bytes, position: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, data, position)
    except struct.error:
        raise _cut_short() from None


def _cut_short() -> TruncatedPicture:
    return TruncatedPicture("the file ends before its picture does", hint="Fetch or save the picture again.")


def _too_many_parts() -> OversizedPicture:
    return OversizedPicture("the file is made of more parts than any honest picture has")


_WALKERS: Final[dict[Format, Callable[[bytes], Container]]] = {
    Format.JPEG: _jpeg,
    Format.PNG: _png,
    Format.WEBP: _webp,
    Format.GIF: _gif,
}
