"""Tell any number of followers that something changed. They ask for the new state themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class Changes:
    """A counter with followers: a slow follower misses steps in between, never the last one."""

    def __init__(self) -> None:
        self._count = 0
        self._closed = False
        self._waiting: set[asyncio.Event] = set()

    def notify(self) -> None:
        """Wake all followers."""
        self._count += 1
        self._wake()

    def close(self) -> None:
        """End all followers."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()

    async def follow(self) -> AsyncIterator[None]:
        """Yield after each change from now on, until closed."""
        event = asyncio.Event()
        self._waiting.add(event)
        seen = self._count
        try:
            while not self._closed:
                if seen == self._count:
                    await event.wait()
                    event.clear()
                    continue
                seen = self._count
                yield
        finally:
            self._waiting.discard(event)
