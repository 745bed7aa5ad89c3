"""A form that a page sends: bounded, fields only, and with one kind of line end."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser
from starlette.requests import Request

_BYTES: Final = 128 << 10
_KIND: Final = "application/x-www-form-urlencoded"
#: The passkey's answer: what it confirms is everything else.
ASSERTION: Final = "assertion"
TOKEN: Final = "token"  # noqa: S105 (the name of a field)


@dataclass(frozen=True)
class Form:
    """The fields of a form, in their order; a name may come more than once."""

    fields: tuple[tuple[str, str], ...] = ()

    def text(self, name: str) -> str:
        """Return the first value of a field, or nothing."""
        return next((value for field, value in self.fields if field == name), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of a field."""
        return tuple(value for field, value in self.fields if field == name)

    def number(self, name: str) -> int:
        """Return a field's whole number, from 0 on.

        Raises:
            HTTPException: 400 if it holds none.
        """
        text = self.text(name)
        if not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise HTTPException(400)
        return int(text)

    def digest(self, path: str) -> str:
        """Return what stands for sending just these fields to `path`: what a passkey confirms."""
        told = [path, *((name, value) for name, value in self.fields if name not in (ASSERTION, TOKEN))]
        return hashlib.sha256(b"tutela/console-act/1\x00" + msgspec.json.encode(told)).hexdigest()


async def read_form(request: Request) -> Form:
    """Return the form in `request`.

    Raises:
        HTTPException: 413 for more bytes than allowed, 415 for anything but a form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _KIND:
        raise HTTPException(415)
    parsed = await FormParser(request.headers, _bounded(request)).parse()
    # A browser sends a form's lines with CR LF, and a script the same lines with LF.
    fields = [(name, value.replace("\r\n", "\n")) for name, value in parsed.multi_items() if isinstance(value, str)]
    if any("\x00" in text for field in fields for text in field):
        raise HTTPException(400)  # no database keeps it
    return Form(tuple(fields))


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > _BYTES:
        raise HTTPException(413)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > _BYTES:
            raise HTTPException(413)
        yield chunk
