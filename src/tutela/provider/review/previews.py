"""Reported pictures as reviewers see them: made anew by a child process (`signals.image.preview`), never read here.

A hostile picture can at worst end a process that holds nothing but that picture. Nothing that is made is kept.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tutela.provider.errors import PictureUnreadable, StorageUnavailable
from tutela.signals.image.preview import REFUSED, Look

#: More than the largest of our pictures takes.
_ANSWER: Final = 8 << 20
_PNG: Final = b"\x89PNG\r\n\x1a\n"
#: Decoded at once.
_TOGETHER: Final = 2


@dataclass(frozen=True)
class Previews:
    """Makes previews; each may take `seconds`. Safe to share between threads."""

    seconds: float = 10.0
    _turns: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_TOGETHER))

    def make(self, picture: Path, look: Look) -> bytes:
        """Return a PNG of the picture in a file.

        Raises:
            PictureUnreadable: it is none, is damaged or is over the limits.
            StorageUnavailable: the file cannot be read.
        """
        try:
            file = picture.open("rb")
        except OSError as error:
            raise StorageUnavailable(f"a reported file cannot be read: {error}", retry_after=30) from error
        with file, self._turns:
            child = subprocess.Popen(  # noqa: S603 (our own program)
                [sys.executable, "-P", "-m", "tutela.signals.image.preview", look],
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            end = threading.Timer(self.seconds, child.kill)
            end.start()
            try:
                assert child.stdout is not None
                with child.stdout as answers:
                    answer = answers.read(_ANSWER + 1)
            finally:
                end.cancel()
                child.kill()
                status = child.wait()
        return _checked(status, answer)


def _checked(status: int, answer: bytes) -> bytes:
    if status == 0 and answer.startswith(_PNG) and len(answer) <= _ANSWER:
        return answer
    code = answer[:40].decode("ascii", "replace") if status == REFUSED else "decoder-failed"
    raise PictureUnreadable(f"the picture cannot be shown: {code}", hint="It can still be decided on.")
