"""The child process in which a device decodes pictures: it holds nothing that a hostile picture could reach for.

The parent writes `length (4, big endian) ‖ picture`; the child answers `length (4) ‖ answer`, where an answer is JSON
(`{"views": [[margins, …], …]}`, or `error` and `message`). The child's memory is bounded by the
operating system where it can be; its time by the parent, who kills it. It imports this room alone, to be small and
quick to start.
"""

from __future__ import annotations

import contextlib
import struct
import sys
from typing import BinaryIO, Final

import msgspec

from tutela.signals.image.decode import Limits, luminance
from tutela.signals.image.errors import PictureError
from tutela.signals.image.views import views

LENGTH: Final = struct.Struct(">I")
#: Address space of the child: room for the largest picture that the limits let through, and for the libraries.
_ADDRESS_SPACE: Final = 2 << 30


class Answer(msgspec.Struct):
    """What the child says about one picture: the margins of its views, or what is wrong with it."""

    views: list[list[float]] = []
    error: str | None = None
    message: str = ""


def answer(picture: bytes, limits: Limits) -> Answer:
    """Return the child's answer about one picture."""
    try:
        return Answer(views=[view.pdq.margins.tolist() for view in views(luminance(picture, limits))])
    except PictureError as error:
        return Answer(error=error.code, message=error.message)
    except MemoryError:
        return Answer(error="oversized-picture", message="decoding needs too much memory")


def serve(pictures: BinaryIO, answers: BinaryIO, limits: Limits) -> None:
    """Answer pictures until the parent goes away."""
    while True:
        head = pictures.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return
        (length,) = LENGTH.unpack(head)
        picture = pictures.read(length)
        if len(picture) < length:
            return
        reply = msgspec.json.encode(answer(picture, limits))
        answers.write(LENGTH.pack(len(reply)) + reply)
        answers.flush()


def bound_memory() -> None:
    """Have the operating system bound this process's memory, and keep no image of it should it die."""
    try:
        import resource
    except ImportError:  # pragma: no cover (Windows)
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    bound_memory()
    serve(sys.stdin.buffer, sys.stdout.buffer, msgspec.json.decode(sys.argv[1], type=Limits))
