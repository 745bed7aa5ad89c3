"""Writing a file so that a killed process or a full disk leaves the old one or the new one, never half of one."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import Final

PUBLIC: Final = 0o644
SECRET: Final = 0o600
_PART: Final = ".part"


def replace(path: Path, data: bytes, *, mode: int) -> None:
    """Replace the file at `path` by `data`, durably, at one moment.

    Raises:
        OSError: it could not be written; what was there stays.
    """
    part = part_of(path)
    try:
        write_synced(part, data, mode)
        part.replace(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Return a new name beside `path` for what is not finished; `sweep` knows it."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PART}")


def write_synced(path: Path, data: bytes, mode: int) -> None:
    """Write a new file, and have it on the disk."""
    # The mode holds from the first moment, so that a secret is never readable by others.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the folder's names on the disk."""
    if os.name == "nt":  # pragma: no cover (Windows, where a folder cannot be opened)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what killed writers left behind. The caller holds the lock."""
    for left in folder.glob(f".*{_PART}"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
