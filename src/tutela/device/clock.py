"""Seconds that only ever go forward, also while the device sleeps: what the time limits of checks are counted in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

Clock = Callable[[], float]

#: Linux has a clock of its own for it; elsewhere (macOS) the monotonic one goes on in sleep.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def steady() -> float:
    """Return the seconds since some moment. Python's own monotonic clock stops in sleep on Linux and macOS."""
    if _CLOCK is None:  # pragma: no cover (Windows, whose one goes on)
        return time.monotonic()
    return time.clock_gettime(_CLOCK)
