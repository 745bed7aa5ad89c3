"""Reading a picture that somebody names by its path: a regular file, no more of it than a picture may have."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tutela.device.errors import DeviceError
from tutela.signals.image import DEFAULT_LIMITS


def read_picture(path: Path) -> bytes:
    """Return the file's bytes, or its first 32 MiB and one: more than a picture may have, so it is *unreadable*.

    Never waits for a pipe's other end. A disk may be slow all the same: call it in a thread.

    Raises:
        DeviceError: there is no such file, it cannot be read, or it is a folder, a pipe or a device.
    """
    try:
        with open(path, "rb", opener=_open_now) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DeviceError(f"{str(path)!r:.200} is no ordinary file")
            return file.read(DEFAULT_LIMITS.bytes + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DeviceError(f"{str(path)!r:.200} cannot be read: {reason}") from error


def _open_now(path: str, flags: int) -> int:
    # Where there is no such flag (Windows), no path names a pipe that waits either.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
