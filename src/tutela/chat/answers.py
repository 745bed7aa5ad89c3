"""Whether what somebody reported was answered since they last looked: a line in the conversation.

It does not say what was answered: somebody else may look at the screen.

What it costs: the provider is asked what became of the reports, as the page *What I reported* does. Only where this
device knows of a report that waits for an answer, while a page is open, and never twice within `EVERY` seconds. Who
has reported nothing asks nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from tutela.chat.client import Reporting

log = logging.getLogger("tutela.chat")

#: Seconds between two questions.
EVERY: Final = 300.0


class Answers:
    """Asks what became of one account's reports, gently."""

    def __init__(self, reports: Reporting, tell: Callable[[], None], *, now: Callable[[], float]) -> None:
        """`tell` is called when there is news; `now` tells the seconds, as `asyncio`'s loop does."""
        self._reports = reports
        self._tell = tell
        self._now = now
        self._asked: float | None = None
        self._asking: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> bool:
        """Whether there is an answer that the user has not looked at, as far as is known."""
        return any(own.news for own in self._reports.known())

    def opened(self) -> None:
        """A page is open: ask, in the background, if it is time to."""
        early = self._asked is not None and self._now() - self._asked < EVERY
        if early or not any(own.arrived and own.open for own in self._reports.known()):
            return
        self._asked = self._now()
        self._asking = asyncio.create_task(self._ask())

    async def close(self) -> None:
        """End."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        before = self.waiting
        try:
            await self._reports.mine()
        except Exception:  # the conversation goes on without it
            log.exception("what became of the reports is not known")
        if self.waiting and not before:
            self._tell()
