"""After the story: windows on the chat page and links into the console, for whoever wants to play."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tutela.chat.server import Links, serve
from tutela.chat.window import Window
from tutela.demo.stage import Stage


@dataclass(frozen=True)
class Opened:
    """Where to go on."""

    pages: Links
    """The chat page: Mia's window and Leo's."""
    reviewers: tuple[str, ...]
    """A one-time link into the console for each of two reviewers."""


@asynccontextmanager
async def opened(stage: Stage) -> AsyncIterator[Opened]:
    """Serve both windows, with what was said so far and what the servers see, while the context is open."""
    mia, leo = stage.people["mia"], stage.people["leo"]
    windows = []
    for person, other in ((mia, leo), (leo, mia)):
        await person.stop_listening()
        window = Window(person.client, stage.room_id, other=other.name.title(), name=person.name.title())
        for event in person.shown:
            window.take(event)
        windows.append(window)
    reviewers = tuple([await stage.invite(name, "The provider") for name in ("Clara", "Daniel")])
    async with serve(windows, stage.observations) as pages:
        yield Opened(pages, reviewers)
