"""After the story: windows on the chat page and links into the console, for whoever wants to play."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tutela.chat.server import Links, serve
from tutela.chat.window import Window
from tutela.demo.stage import Person, Stage
from tutela.provider.review.people import Role


@dataclass(frozen=True)
class Opened:
    """Where to go on."""

    pages: Links
    """The chat page: Mia's window and Leo's, and apart Mia's with Sam."""
    reviewers: tuple[str, ...]
    """A one-time link into the console for each of two reviewers."""
    auditor: str
    """One for somebody who sees what was done, and no case."""
    admin: str
    """One for somebody who says who is on the staff, and sees no case."""


@asynccontextmanager
async def opened(stage: Stage) -> AsyncIterator[Opened]:
    """Serve the windows, with what was said so far and what the servers see, while the context is open."""
    mia, leo = stage.people["mia"], stage.people["leo"]
    for person in (mia, leo):
        await person.stop_listening()
    windows = [_window(mia, stage.room_id, "Leo"), _window(leo, stage.room_id, "Mia")]
    hidden = _window(mia, stage.other_room_id, "Sam")
    reviewers = tuple([await stage.invite(name, "The provider") for name in ("Clara", "Daniel")])
    auditor = await stage.invite("Emma", "An auditor", Role.AUDITOR)
    admin = await stage.invite("Frank", "The provider", Role.ADMIN)
    async with serve(windows, stage.observations, apart=[hidden]) as pages:
        yield Opened(pages, reviewers, auditor, admin)


def _window(person: Person, room_id: str, other: str) -> Window:
    window = Window(person.client, room_id, other=other, name=person.name.title())
    for event in person.shown:
        window.take(event)
    return window
