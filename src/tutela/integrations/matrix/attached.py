"""Run a program that ends when the one who started it does, even when that one was killed.

Started as a file (`python attached.py PROGRAM ARGUMENT …`) with a pipe as standard input that nobody writes to. When
the pipe closes, or on SIGTERM or SIGINT, the program's whole process group is asked to stop, then killed after
`GRACE` seconds. Only the standard library is imported, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Final

GRACE: Final = 5.0


def main(command: Sequence[str]) -> int:
    """Run `command` and return its exit code, or 128 + signal if it was stopped."""
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    finished = threading.Event()

    def signal_group(number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, number)

    def stop() -> None:
        signal_group(signal.SIGTERM)
        if not finished.wait(GRACE):
            signal_group(signal.SIGKILL)

    def stop_with_the_parent() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: threading.Thread(target=stop, daemon=True).start())
    threading.Thread(target=stop_with_the_parent, daemon=True).start()
    code = program.wait()
    finished.set()
    signal_group(signal.SIGKILL)  # whatever the program left behind in its group
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
