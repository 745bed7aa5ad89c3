"""The page over real guarded clients, in an encrypted room on a real Synapse."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from chat.conftest import origin_of, until
from chat.pair import photograph, verdict
from harness.synapse import Person
from tutela.chat import Window, serve
from tutela.device.verdict import Direction, Outcome, Verdict
from tutela.integrations.matrix.client import GuardedClient
from tutela.integrations.matrix.homeserver import Homeserver

pytestmark = pytest.mark.slow


class ToldGuard:
    """A guard that is told its outcomes: one for pictures sent, one for pictures received."""

    def __init__(self) -> None:
        self.outgoing = self.incoming = Outcome.ALLOW
        self.chosen = 0

    def choose(self, picture: bytes) -> None:
        self.chosen += 1

    async def check_outgoing(self, picture: bytes) -> Verdict:
        return verdict(Direction.OUTGOING, self.outgoing)

    async def check_incoming(self, picture: bytes) -> Verdict:
        return verdict(Direction.INCOMING, self.incoming)

    async def close(self) -> None:
        pass


@asynccontextmanager
async def signed_in(
    homeserver: Homeserver, person: Person, profile: Path
) -> AsyncIterator[tuple[GuardedClient, ToldGuard]]:
    guard = ToldGuard()
    client = await GuardedClient.login(
        homeserver.url, person.user_id, person.password, profile=profile, key=bytes(32), guard=guard
    )
    async with client:
        yield client, guard


async def test_a_conversation_through_the_page(
    homeserver: Homeserver, person: Callable[[str], Awaitable[Person]], tmp_path: Path
):
    async with AsyncExitStack() as stack:
        mia, mias_guard = await stack.enter_async_context(signed_in(homeserver, await person("mia"), tmp_path / "mia"))
        leo, leos_guard = await stack.enter_async_context(signed_in(homeserver, await person("leo"), tmp_path / "leo"))
        room = await mia.create_encrypted_room(invite=[leo.user_id])
        await leo.sync_once()
        await leo.join(room)
        await mia.sync_once()
        for client in (mia, leo):
            running = asyncio.create_task(client.run())
            stack.callback(running.cancel)
        mias, leos = Window(mia, room, other="Leo"), Window(leo, room, other="Mia")
        links = await stack.enter_async_context(serve([mias, leos]))
        page = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=links.windows[0], headers={"Origin": origin_of(links)}, follow_redirects=True, timeout=60
            )
        )

        async def send_picture() -> str:
            html = (await page.post("choose", files={"picture": ("cat.jpg", photograph("chelsea"))})).text
            (chosen,) = set(re.findall(r'name="chosen" value="([^"]+)"', html))
            return (await page.post("send", data={"chosen": chosen})).text

        await page.post("text", data={"text": "Hello from the page"})
        await until(lambda: any(getattr(event, "text", "") == "Hello from the page" for event in leos.events))

        html = await send_picture()
        assert "picture/" in html
        assert mias_guard.chosen == 1
        await until(lambda: len(leos.events) == 2)
        html = (await page.get(links.windows[1])).text
        (address,) = re.findall(r'src="(picture/[^"]+)"', html)
        assert (await page.get(links.windows[1] + address)).content == photograph("chelsea")

        leos_guard.incoming = Outcome.STOP
        await send_picture()
        await until(lambda: len(leos.events) == 3)
        assert "This picture is hidden" in (await page.get(links.windows[1])).text

        mias_guard.outgoing = Outcome.STOP
        assert "This picture was not sent" in await send_picture()
        await page.post("text", data={"text": "The last word"})
        await until(lambda: len(leos.events) == 4)
