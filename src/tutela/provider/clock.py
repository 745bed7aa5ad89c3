"""The time, as an argument: whole milliseconds since 1970, UTC."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]


def system_clock() -> int:
    """Return this machine's time: the edge's clock."""
    return time.time_ns() // 1_000_000


def milliseconds(moment: datetime) -> int:
    """Return a moment in milliseconds."""
    return round(moment.timestamp() * 1000)


def text_of(now: int) -> str:
    """Return a time as the access log and `status` write it: `2026-01-31T12:00:00.000Z`."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
