"""Pictures for the page: which files a browser is given, and the blur behind a warning. Pure."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image

#: The side of the blur, in pixels: colours, no shapes.
_BLUR: Final = 8
#: The largest picture that is decoded for its blur, in pixels.
_PIXELS: Final = 64_000_000
_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class NotAPicture(ValueError):
    """The file is none of JPEG, PNG, WebP and GIF."""


def media_type(data: bytes) -> str:
    """Return the media type by the file's first bytes, never by its name.

    Raises:
        NotAPicture: anything else; above all nothing that can carry a script, such as SVG.
    """
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise NotAPicture("not a JPEG, PNG, WebP or GIF file")


def blur(data: bytes) -> bytes:
    """Return a PNG of 8 by 8 pixels that keeps a picture's colours and nothing else.

    Raises:
        NotAPicture: it cannot be decoded, or is too large to be.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP", "GIF")) as picture:
            if picture.width * picture.height > _PIXELS:
                raise NotAPicture("too many pixels")
            picture.draft("RGB", (_BLUR * 8, _BLUR * 8))
            small = picture.convert("RGB").resize((_BLUR, _BLUR), Image.Resampling.BOX)
    except NotAPicture:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NotAPicture("the picture cannot be decoded") from error
    out = io.BytesIO()
    small.save(out, "PNG")
    return out.getvalue()
