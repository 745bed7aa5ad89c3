"""Segment files, named by their digest, in one folder.

Contract: a file is there wholly or not at all, and durably once `put` returns. Whether it is *published* is for the
database to say: a file without a row is invisible, and `gc` removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tutela.provider.errors import StorageUnavailable

DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PART: Final = ".part"


@dataclass(frozen=True)
class SegmentFiles:
    """The folder."""

    folder: Path

    def path(self, digest: str) -> Path:
        """Return where the segment with this digest lies, or would."""
        assert DIGEST.fullmatch(digest), "digests are checked where they enter"
        return self.folder / f"{digest}.seg"

    def put(self, digest: str, content: bytes) -> None:
        """Keep `content`, whose digest the caller has checked. A damaged file of that name is replaced.

        Raises:
            StorageUnavailable: it could not be written; nothing of it is left.
        """
        path = self.path(digest)
        part = path.with_name(f"{digest}.{secrets.token_hex(8)}{_PART}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if path.exists() and _digest_of(path) == digest:
                return
            try:
                with part.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
                _sync_folder(self.folder)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailable(
                f"a segment could not be written to {self.folder}: {error.strerror}",
                hint="Make room on the disk and publish again; nothing has changed meanwhile.",
            ) from error

    def prune(self, kept: frozenset[str]) -> list[str]:
        """Remove all files but those with `kept` digests; return the names of what was removed.

        Only under `exclusively`: a publication under way has files that no row names yet.
        """
        removed = []
        for path in sorted(self.folder.glob("*")):
            stray = path.suffix == _PART or (path.suffix == ".seg" and path.stem not in kept)
            if stray:
                path.unlink(missing_ok=True)
                removed.append(path.name)
        return removed

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Hold the folder for one publication or collection; the system lets go when the process dies.

        Raises:
            StorageUnavailable: the folder cannot be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((self.folder / ".lock").open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                raise StorageUnavailable(f"the folder {self.folder} cannot be used: {error.strerror}") from error
            yield


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
