"""Read a form that a page sends: bounded, and kept in memory only, since a picture must not touch the disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

#: A picture, in bytes, and what surrounds it in its form.
PICTURE_BYTES: Final = 20 << 20
_AROUND: Final = 16 << 10
#: A form without a picture, in bytes.
_FORM_BYTES: Final = 64 << 10
_FIELDS: Final = 8


@dataclass(frozen=True)
class Form:
    """The fields of a form, and its picture if one was chosen. Of several fields of one name, the last."""

    fields: Mapping[str, str]
    picture: bytes | None = None
    filename: str = ""
    every: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """All values of each field."""


class _InMemory(MultiPartParser):
    spool_max_size = PICTURE_BYTES + _AROUND


async def read_form(request: Request, *, with_picture: bool = False) -> Form:
    """Return the form in `request`.

    Raises:
        HTTPException: 413 for more bytes than allowed, 415 for anything but a form, 400 for a malformed one.
    """
    stream = _bounded(request, PICTURE_BYTES + _AROUND if with_picture else _FORM_BYTES)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        parsed = await FormParser(request.headers, stream).parse()
    elif kind == "multipart/form-data":
        files = 1 if with_picture else 0
        try:
            parsed = await _InMemory(request.headers, stream, max_files=files, max_fields=_FIELDS).parse()
        except (MultiPartException, KeyError) as error:
            raise HTTPException(400) from error
    else:
        raise HTTPException(415)
    fields, picture, filename, every = {}, None, "", dict[str, tuple[str, ...]]()
    for name, value in parsed.multi_items():
        if isinstance(value, UploadFile):
            picture, filename = await value.read(), value.filename or ""
            await value.close()
        else:
            fields[name] = value
            every[name] = (*every.get(name, ()), value)
    return Form(fields, picture, filename, every)


async def _bounded(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > limit:
        raise HTTPException(413)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise HTTPException(413)
        yield chunk
