"""Reported files on disk: streamed in, checked while they arrive, whole or not there."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from tutela.provider.errors import StorageUnavailable, WrongAttachment
from tutela.provider.reports.verification import AttachmentCheck

_CHUNK: Final = 1 << 20
#: What files leave free on the disk, in bytes.
RESERVE: Final = 512 << 20
_HINT: Final = "Check that the disk is not full and that the folder belongs to the service's user."


class AttachmentFiles:
    """A folder of files, each named after its report and digest. Only this service's user can read them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._coming = 0  # bytes of all that is arriving now

    async def receive(
        self, report: str, sha256: str, size: int, chunks: AsyncIterator[bytes], check: AttachmentCheck | None
    ) -> None:
        """Write a file as it arrives, in constant memory. It is there once it is whole, durable and what was announced.

        Raises:
            WrongAttachment: another size or digest, or refused by `check`.
            StorageUnavailable: the disk is full or gone. Nothing is left behind.
        """
        digest, arrived = hashlib.sha256(), 0
        checking = (check.update,) if check is not None else ()
        with _translated(), self._awaited(size):
            await asyncio.to_thread(self._folder.mkdir, mode=0o700, exist_ok=True)
            await asyncio.to_thread(self._check_room)
            part = self._folder / f".{secrets.token_hex(8)}.part"
            try:
                with await asyncio.to_thread(_create, part) as file:
                    async for chunk in chunks:
                        arrived += len(chunk)
                        if arrived > size:
                            raise WrongAttachment(f"the file is larger than the {size} bytes that were announced")
                        await asyncio.to_thread(_take, chunk, (file.write, digest.update, *checking))
                    if arrived != size or digest.hexdigest() != sha256:
                        raise WrongAttachment("the file is not the one that was announced", hint="Send it again.")
                    if check is not None:
                        check.finish()
                    await asyncio.to_thread(_settle, file)
                await asyncio.to_thread(part.replace, self.path(report, sha256))
                await asyncio.to_thread(_settle_folder, self._folder)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    part.unlink()

    @contextlib.contextmanager
    def _awaited(self, size: int) -> Iterator[None]:
        self._coming += size
        try:
            yield
        finally:
            self._coming -= size

    def _check_room(self) -> None:
        # Files must not take the room that reports themselves need, nor many at once that each one found.
        if shutil.disk_usage(self._folder).free < self._coming + RESERVE:
            raise StorageUnavailable("there is no room left for reported files", hint=_HINT, retry_after=600)

    def path(self, report: str, sha256: str) -> Path:
        """Return where a file lies, once it has arrived. Both names are hexadecimal."""
        return self._folder / f"{report}-{sha256}"

    def read(self, report: str, sha256: str) -> Iterator[bytes]:
        """Read a file in parts.

        Raises:
            StorageUnavailable: it is not there, or cannot be read.
        """
        with _translated(), self.path(report, sha256).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def sweep(self, before: float) -> int:
        """Remove parts of files that stopped arriving before a time (seconds since 1970); return how many."""
        removed = 0
        with _translated():
            for part in self._folder.glob(".*.part") if self._folder.is_dir() else ():
                if part.stat().st_mtime < before:
                    part.unlink(missing_ok=True)
                    removed += 1
        return removed


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")


def _take(chunk: bytes, takers: tuple[Callable[[bytes], object], ...]) -> None:
    for take in takers:
        take(chunk)


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _settle_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"a reported file cannot be kept: {error}", hint=_HINT, retry_after=30) from error
