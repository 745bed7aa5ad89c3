"""After the story: Mia's and Leo's windows on the chat page, for whoever wants to play."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tutela.chat.server import Links, serve
from tutela.chat.window import Window
from tutela.demo.stage import Stage


@asynccontextmanager
async def opened(stage: Stage) -> AsyncIterator[Links]:
    """Serve both windows, with what was said so far and what the servers see, while the context is open."""
    mia, leo = stage.people["mia"], stage.people["leo"]
    windows = []
    for person, other in ((mia, leo), (leo, mia)):
        await person.stop_listening()
        window = Window(person.client, stage.room_id, other=other.name.title(), name=person.name.title())
        for event in person.shown:
            window.take(event)
        windows.append(window)
    async with serve(windows, stage.observations) as links:
        yield links
