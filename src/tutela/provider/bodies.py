"""Reading a request's body, after its type and size were checked, and never more of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request

from tutela.provider.errors import LengthRequired, SlowBody, WrongContentType
from tutela.wire.errors import MalformedMessage, OversizedMessage

#: A body, or the next part of a large one, may take this long to arrive.
SECONDS: Final = 20.0
#: What a poor line brings, bytes a second: a larger body may take so much longer,
PACE: Final = 4096.0
#: but no longer than this in all.
LARGE_SECONDS: Final = 600.0


def declared_bytes(request: Request, content_type: str) -> int:
    """Return the size that the request's body is said to have. Nothing of it is read.

    Raises:
        WrongContentType: not of `content_type`.
        LengthRequired: it does not say.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != content_type:
        raise WrongContentType(f"the body must be of type {content_type}")
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise LengthRequired("the body's length must be given", hint="Send a Content-Length header.")
    return int(length[:20])


async def read(request: Request, declared: int) -> bytes:
    """Return the body, which must have the size that was declared.

    Raises:
        SlowBody: it did not arrive in time.
        OversizedMessage, MalformedMessage: it is longer or shorter than declared.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(min(SECONDS + declared / PACE, LARGE_SECONDS)):
            async for chunk in parts(request, declared):
                body += chunk
    except TimeoutError as error:
        raise _slow() from error
    return bytes(body)


async def parts(request: Request, declared: int) -> AsyncIterator[bytes]:
    """Give the body out as it arrives; raises as `read`."""
    arrived, stream = 0, request.stream()
    deadline = asyncio.get_running_loop().time() + LARGE_SECONDS
    while True:
        try:
            async with asyncio.timeout(SECONDS):
                chunk = await anext(stream)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            raise _slow() from error
        arrived += len(chunk)
        if arrived > declared:
            raise OversizedMessage("the body is longer than its Content-Length")
        if asyncio.get_running_loop().time() > deadline:
            raise _slow()
        if chunk:
            yield chunk
    if arrived < declared:
        raise MalformedMessage("the body is shorter than its Content-Length")


def _slow() -> SlowBody:
    return SlowBody("the body did not arrive in time", hint="Try again.")
