"""What a reported file is by its first bytes, and whether it is what it is said to be. Pure.

The names of types are those of the IANA registry; the marks are those of the formats' own specifications. Nothing is
decoded: a picture is decoded in a process of its own (`previews`), and nothing else ever is.
"""

from __future__ import annotations

import mimetypes
from typing import Final

#: As many bytes of a file are looked at.
HEAD: Final = 512

_MARKS: Final = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
)
_MARKUP: Final = ((b"<svg", "image/svg+xml"), (b"<html", "text/html"), (b"<!doctype html", "text/html"))
#: Types of files that are archives inside.
_ZIPPED: Final = ("officedocument", "opendocument", "epub", "java-archive", "android.package", "zip")
#: Names for the same, and containers that may hold either.
_SAME: Final = {
    "image/jpg": "image/jpeg",
    "image/apng": "image/png",
    "image/heif": "image/heic",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-m4a": "audio/mp4",
    "audio/mp3": "audio/mpeg",
    "video/x-matroska": "video/webm",
    "audio/webm": "video/webm",
    "video/ogg": "audio/ogg",
    "application/ogg": "audio/ogg",
    "video/quicktime": "video/mp4",
    "video/3gpp": "video/mp4",
    "audio/mp4": "video/mp4",
    "audio/aac": "video/mp4",
}


def kind_of(head: bytes) -> str:
    """Return the media type that a file's first `HEAD` bytes show; empty where they show none."""
    for place, mark, name in _MARKS:
        if head.startswith(mark, place) and (place != 8 or head.startswith(b"RIFF")):
            return name
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<", b"<?xml")):
        for mark, name in _MARKUP:
            if mark in start:
                return name
    return ""


def pretends(shown: str, media_type: str, filename: str) -> bool:
    """Whether a file says of itself, by type or name, that it is something else than its bytes show (`kind_of`)."""
    told = {_plain(media_type), _plain(mimetypes.guess_type(filename, strict=False)[0] or "")} - {""}
    if not shown:
        # Pictures, videos and sounds always show what they are.
        return any(name.startswith(("image/", "video/", "audio/")) for name in told)
    if shown == "application/zip" and any(part in name for name in told for part in _ZIPPED):
        return False
    return any(name not in ("application/octet-stream", _plain(shown)) for name in told)


def _plain(name: str) -> str:
    name = name.partition(";")[0].strip().lower()
    return _SAME.get(name, name)
