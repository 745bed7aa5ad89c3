"""Segment files, named by their digest, in one folder.

Contract: a file is there wholly or not at all, and durably once `put` returns. Whether it is *published* is for the
database to say: a file without a row is invisible, and `gc` removes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tutela import durable
from tutela.lists import files
from tutela.lists.errors import StorageFailed
from tutela.provider.errors import StorageUnavailable

DIGEST: Final = re.compile(r"[0-9a-f]{64}")


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
        with _translated():
            if not (path.exists() and _digest_of(path) == digest):
                files.write(path, content)

    def prune(self, kept: frozenset[str]) -> list[str]:
        """Remove all files but those with `kept` digests; return the names of what was removed.

        Only under `exclusively`: a publication under way has files that no row names yet.
        """
        durable.sweep(self.folder)
        removed = [path for path in sorted(self.folder.glob("*.seg")) if path.stem not in kept]
        for path in removed:
            path.unlink()
        return [path.name for path in removed]

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Hold the folder for one publication or collection; the system lets go when the process dies.

        Raises:
            StorageUnavailable: it cannot be written, or another publication is under way.
        """
        with contextlib.ExitStack() as stack:
            with _translated():
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(files.exclusively(self.folder))
            yield


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StorageFailed as error:
        raise StorageUnavailable(error.message, hint=error.hint) from error
    except OSError as error:
        raise StorageUnavailable(f"the folder of segments cannot be used: {error.strerror}") from error


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
