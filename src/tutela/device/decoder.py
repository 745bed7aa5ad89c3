"""Decoding in a child process (`signals.image.child`): a hostile picture can at worst kill a child that holds nothing.

One child serves many pictures; a new one takes the place of one that died or took too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections import deque
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.device import cover
from tutela.device.errors import DecoderFailed
from tutela.signals.image import Limits
from tutela.signals.image.child import LENGTH, Answer

_MAX_ANSWER: Final = 1 << 20
#: As much as an unprivileged process may ask for.
_PIPE_BYTES: Final = 1 << 20
#: From how many pictures a stand-in draws the time it takes.
_LATELY: Final = 32
#: How many times as long as a stand-in photographs of 1 to 12 megapixels take, where none has been decoded yet.
_ORDINARY: Final = (2, 3, 4, 5)


class Unreadable(DecoderFailed):
    """The picture itself cannot be decoded; `code_of_picture` says why."""

    def __init__(self, message: str, *, code_of_picture: str) -> None:
        super().__init__(message)
        self.code_of_picture = code_of_picture


class Decoder:
    """Turns pictures into the margins of their query views, in a child process."""

    def __init__(self, *, seconds: float = 5.0, limits: Limits | None = None) -> None:
        self._seconds = seconds
        self._limits = limits or Limits()
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._lately: deque[float] = deque(maxlen=_LATELY)
        self._stand_in: list[NDArray[np.float64]] = []

    async def margins(self, picture: bytes) -> list[NDArray[np.float64]]:
        """Return the margins of each query view of `picture`, shape (256,) each, the normalised view first.

        Raises:
            Unreadable: the picture cannot be decoded within the limits.
            DecoderFailed: the child died or took more than `seconds`.
        """
        if len(picture) > self._limits.bytes:
            raise Unreadable(
                f"a picture of {len(picture)} bytes is over the limit of {self._limits.bytes}",
                code_of_picture="oversized-picture",
            )
        if not picture:
            raise Unreadable("an empty file is not a picture", code_of_picture="unknown-format")
        answer, seconds = await self._answer(picture)
        self._lately.append(seconds)
        return _margins(answer)

    async def stand_in(self) -> list[NDArray[np.float64]]:
        """Return the margins of a random picture, having taken as long as one of the pictures decoded lately.

        So the time before a request does not tell that there was no picture to check. The random picture was decoded
        before: decoded now it would sometimes take longer than what it stands in for, and always on a busy device.
        Raises as `margins` does.
        """
        if self._lately:
            await asyncio.sleep(secrets.choice(self._lately))
        else:
            _, seconds = await self._answer(cover.stand_in(secrets.token_bytes))
            await asyncio.sleep(seconds * (secrets.choice(_ORDINARY) - 1))
        return self._stand_in

    async def close(self) -> None:
        """End the child."""
        async with self._turn:
            child, self._child = self._child, None
            if child is not None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()

    async def _answer(self, picture: bytes) -> tuple[Answer, float]:
        """Return the child's answer, and the seconds that it took on its way there and back."""
        async with self._turn:
            try:
                async with asyncio.timeout(self._seconds):
                    answer, seconds = await self._ask(picture)
            except BaseException as error:
                # Also when cancelled: a half-read answer must not be taken for the next picture's.
                self._kill()
                if isinstance(error, TimeoutError):
                    raise DecoderFailed(f"decoding took more than {self._seconds:g} seconds") from error
                if isinstance(error, (OSError, EOFError, msgspec.MsgspecError)):
                    raise DecoderFailed("the decoding process died") from error
                raise
        if answer.error is not None:
            raise Unreadable(answer.message, code_of_picture=answer.error)
        return answer, seconds

    async def _ask(self, picture: bytes) -> tuple[Answer, float]:
        child = await self._running()
        # Here, not in the child: what counts is what somebody outside sees, the way through the pipe included.
        began = time.perf_counter()
        answer = await _exchanged(child, picture)
        return answer, time.perf_counter() - began

    async def _running(self) -> asyncio.subprocess.Process:
        if self._child is not None and self._child.returncode is not None:
            self._child = None
        if self._child is None:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # imports nothing from the folder that this happens to run in, such as one full of downloads
                "-m",
                "tutela.signals.image.child",
                msgspec.json.encode(self._limits).decode(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            _widen(self._child)
            # When it has answered it has started, which counts for no picture.
            self._stand_in = _margins(await _exchanged(self._child, cover.stand_in(secrets.token_bytes)))
        return self._child

    def _kill(self) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()
            self._child = None


async def _exchanged(child: asyncio.subprocess.Process, picture: bytes) -> Answer:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(LENGTH.pack(len(picture)) + picture)
    await child.stdin.drain()
    (length,) = LENGTH.unpack(await child.stdout.readexactly(LENGTH.size))
    if length > _MAX_ANSWER:
        raise EOFError("an answer of impossible length")
    return msgspec.json.decode(await child.stdout.readexactly(length), type=Answer)


def _margins(answer: Answer) -> list[NDArray[np.float64]]:
    return [np.array(view, dtype=np.float64) for view in answer.views]


def _widen(child: asyncio.subprocess.Process) -> None:
    """Let a whole picture through the pipe at once, where the system can (Linux): a third of the time otherwise."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        assert child.stdin is not None
        pipe = child.stdin.transport.get_extra_info("pipe")
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
