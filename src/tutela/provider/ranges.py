"""One range of a file (RFC 9110, section 14): for a device that continues a download where it stopped."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request

from tutela.provider.errors import NoSuchRange

_ONE: Final = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})?")


def check_range(request: Request, size: int) -> None:
    """Leave a `Range` header that asks for one part of a file of `size` bytes; drop any other, as the RFC allows.

    Raises:
        NoSuchRange: it begins behind the file's end.
    """
    text = request.headers.get("range")
    if text is None:
        return
    match = _ONE.fullmatch(text.strip())
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        request.scope["headers"] = [header for header in request.scope["headers"] if header[0] != b"range"]
    elif int(match[1]) >= size:
        raise NoSuchRange(f"the file has {size} bytes", hint="Ask for the whole file.")
