"""Mia reports what Leo wrote: two real clients, a homeserver that stamps, a provider with its key, a browser."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import select

from chat.conftest import until
from chat.pair import photograph
from chat.test_browser import opened
from harness.matrix import TableGuard
from harness.provider import make_settings, small_epoch
from harness.synapse import Person, stamp_key
from tutela.chat import Window, serve
from tutela.device.verdict import Outcome
from tutela.integrations.matrix.client import GuardedClient
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.timeline import Message
from tutela.provider.database import Database
from tutela.provider.reports import tables as rows
from tutela.provider.server import running
from tutela.provider.service import Provider
from tutela.provider.settings import Settings
from tutela.wire.manifest import Action

pytestmark = pytest.mark.slow

WORDS = "He asks me for pictures every single day"
SECRET = "And do not tell your mother about the pictures"


@dataclass
class Service:
    """A running provider, and what it keeps."""

    url: str
    settings: Settings

    def kept(self, table: Any) -> list[Any]:
        with closing(Database(self.settings.database_url)) as database, database.reading() as connection:
            return list(connection.execute(select(table)))


@asynccontextmanager
async def service_of(homeserver: Homeserver, folder: Path, epoch: Any) -> AsyncIterator[Service]:
    folder.mkdir()
    settings = make_settings(folder, epoch, homeservers={homeserver.server_name: homeserver.url})
    key = settings.stamp_keys / "home.key"
    key.write_bytes(stamp_key(homeserver.folder).read_bytes())
    key.chmod(0o600)
    with closing(Provider.open(settings)) as provider:
        provider.publish(epoch.envelope, epoch.segments)
    async with running(settings) as url:
        yield Service(url, settings)


def events_of(homeserver: Homeserver) -> int:
    with closing(sqlite3.connect(f"file:{homeserver.database}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM events").fetchone()
    return int(count)


async def test_mia_reports_and_it_is_proven(
    browser: Browser, homeserver: Homeserver, person: Callable[[str], Awaitable[Person]], tmp_path: Path
):
    epoch = small_epoch()
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(service_of(homeserver, tmp_path / "provider", epoch))

        async def enter(name: str, **options: Any) -> GuardedClient:
            who = await person(name)
            return await stack.enter_async_context(
                await GuardedClient.login(
                    homeserver.url, who.user_id, who.password, profile=tmp_path / name, key=bytes(32), **options
                )
            )

        mia = await enter("mia", guard_provider=service.url, trust_root=epoch.trust_root)
        guard = TableGuard()
        guard.outgoing = (Outcome.ALLOW, Action.ALLOW)
        leo = await enter("leo", guard=guard)
        room = await mia.create_encrypted_room(invite=[leo.user_id])
        await leo.sync_once()
        await leo.join(room)
        await mia.sync_once()
        for client in (mia, leo):
            task = asyncio.create_task(client.run())
            stack.callback(task.cancel)
        mias, leos = Window(mia, room, other="Leo"), Window(leo, room, other="Mia")
        links = await stack.enter_async_context(serve([mias, leos]))

        await leo.send_text(room, "Send me a picture of you")
        await until(lambda: len(mias.events) == 1)
        await mia.send_text(room, "No")
        await leo.send_picture(room, photograph("coffee"), "cup.jpg")
        await until(lambda: len(mias.events) == 3)
        await leo.send_text(room, SECRET)
        await until(lambda: len(mias.events) == 4 and len(leos.events) == 4)
        await until(lambda: all(mia.evidence(e) is not None for e in mias.events if isinstance(e, Message)))
        before = events_of(homeserver), leos.events
        async with httpx.AsyncClient() as http:
            seen_by_leo = (await http.get(links.windows[1])).text

        async with opened(browser, links.windows[0]) as watched:
            page = watched.page
            await page.get_by_role("link", name="Report this message").last.click()
            await page.get_by_role("link", name="Somebody asked me for pictures").click()
            await page.get_by_role("checkbox", name="will see this picture").check()
            await page.get_by_label("Do you want to say something?").fill(WORDS)
            await page.get_by_role("button", name="Send the report").click()
            await expect(page.get_by_role("heading", name="Thank you. You did the right thing.")).to_be_visible()
            reference = await page.locator(".reference strong").text_content()

            [report] = service.kept(rows.Report)
            assert report.proofs.split() == ["proven"] * 4
            assert (report.account, report.reference) == (mia.user_id, reference)
            body = msgspec.json.decode(report.body)
            assert (body["about"], body["text"], body["reason"]) == (leo.user_id, WORDS, "asked-for-pictures")
            assert {e["sender"] for e in body["evidence"]} == {mia.user_id, leo.user_id}
            await until(lambda: all(row.arrived is not None for row in service.kept(rows.ReportAttachment)))
            [attachment] = service.kept(rows.ReportAttachment)
            stored = service.settings.attachments / f"{report.id}-{attachment.sha256}"
            assert (attachment.proven, stored.read_bytes()) == (True, photograph("coffee"))

            await page.get_by_role("link", name="What I reported").click()
            await expect(page.get_by_text("It has arrived")).to_be_visible()
            await page.get_by_text("Add something").click()
            await page.get_by_label("What do you want to add?").fill("He wrote again.")
            await page.get_by_role("button", name="Add it").click()
            await expect(page.get_by_text("Thank you. It was added.")).to_be_visible()
        assert [row.text for row in service.kept(rows.ReportAddition)] == ["He wrote again."]

        # The other side, and the homeserver: nothing.
        assert (events_of(homeserver), leos.events) == before
        async with httpx.AsyncClient() as http:
            assert (await http.get(links.windows[1])).text == seen_by_leo
        stored_there = b"".join(path.read_bytes() for path in homeserver.folder.rglob("*") if path.is_file())
        assert mia.user_id.encode() in stored_there
        for secret in (WORDS, SECRET, report.id, reference or "", "He wrote again.", "v1/reports"):
            assert secret.encode() not in stored_there
