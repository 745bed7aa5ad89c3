"""A card that was not answered is there again when the program begins anew, until its user has chosen something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from chat.conftest import Running
from chat.pair import ROOM, window_of
from signals.conversation.reading import reader
from tutela.chat import Window, create_app
from tutela.device.conversation import ConversationGuard
from tutela.device.profile import Profile
from tutela.integrations.matrix.errors import Unreachable
from tutela.integrations.matrix.rooms import Room
from tutela.signals.conversation.message import Message, Side

MIA, LEO, NORA = "@mia:example.org", "@leo:example.org", "@nora:example.org"
READER = reader()
LINES = ("how old are u", "dont tell your mum", "are you alone", "add me on snapchat", "send me a picture")
CARD = '<div class="advice nudge'
AUTHORITY = "127.0.0.1:8001"


@dataclass
class Program:
    """Mia's chat program, which can be closed and opened."""

    running: Running
    profile: Profile

    @property
    def guard(self) -> ConversationGuard:
        guard = self.running.pair.mia.conversations
        assert guard is not None
        return guard

    def open(self) -> tuple[Window, httpx.AsyncClient]:
        """Begin anew: all that was in memory is gone."""
        client = self.running.pair.mia
        if client.conversations is not None:
            client.conversations.close()
        client.conversations = ConversationGuard(self.profile, reader=READER)
        window = window_of(client, "Leo")
        app = create_app([window], authority=AUTHORITY, side_path="/s/side/")
        transport, origin = httpx.ASGITransport(app), f"http://{AUTHORITY}"
        headers = {"Origin": origin, "Accept-Language": "en"}
        return window, httpx.AsyncClient(
            base_url=origin + window.path, headers=headers, follow_redirects=True, transport=transport
        )

    def approach(self, person: str = LEO, room: str = ROOM) -> None:
        for number, line in enumerate(LINES):
            message = Message(f"${person}{number}", Side.OTHER, line, 60_000 * (number + 1))
            self.guard.received(room, person, message, direct=True)


@pytest.fixture
def program(running: Running, tmp_path: Path) -> Iterator[Program]:
    running.pair.mia.rooms = {
        ROOM: Room(ROOM, encrypted=True, joined={MIA, LEO}),
        "!nora": Room("!nora", encrypted=True, joined={MIA, NORA}),
    }
    with Profile(tmp_path / "profile", bytes(32)) as profile:
        one = Program(running, profile)
        one.open()
        yield one


def card_of(page: str) -> str:
    found = re.search(r'name="card" value="(\w+)"', page)
    assert found
    return found[1]


async def test_the_card_is_there_again_each_time_until_it_is_answered(program: Program):
    program.approach()
    for _ in range(2):
        _, browser = program.open()
        page = (await browser.get("")).text
        region = page[page.index('id="nudge"') : page.index('id="choice"')]
        assert CARD in region
        assert "You were asked to keep something secret." in region
    assert CARD not in (await browser.post("fine", data={"card": card_of(page)})).text
    assert CARD not in (await browser.get("")).text
    _, browser = program.open()
    assert CARD not in (await browser.get("")).text


async def test_it_is_there_on_the_page_side_by_side_too(program: Program):
    program.approach()
    window, browser = program.open()
    await browser.get(f"http://{AUTHORITY}/s/side/")
    assert window.advising.card is not None


async def test_looking_is_no_answer(program: Program):
    program.approach()
    _, browser = program.open()
    page = (await browser.get("")).text
    for path in ("tell", "leave", "help?for=general", "report?advice=yes"):
        assert (await browser.get(path)).status_code == 200
    await browser.post("fine", data={"card": f"{card_of(page)}x"})
    _, browser = program.open()
    assert CARD in (await browser.get("")).text


@pytest.mark.parametrize("choice", ["block", "tell", "report"])
async def test_what_was_chosen_is_an_answer_once_it_was_done(program: Program, choice: str):
    program.approach()
    window, browser = program.open()
    await browser.get("")
    data = {
        "block": {},
        "tell": {"chat": window.advising.chats()[0].id, "text": "Can I talk to you?"},
        "report": {"id": "0" * 64, "reason": "threatened", "text": "He asks every day."},
    }[choice]
    if choice != "report":
        program.running.pair.mia.failure = Unreachable("no answer")
        await browser.post(choice, data=data)
        program.running.pair.mia.failure = None
        window, browser = program.open()
        assert CARD in (await browser.get("")).text
    await browser.post(choice, data=data)
    _, browser = program.open()
    assert CARD not in (await browser.get("")).text


async def test_a_graver_card_comes_after_a_milder_one_was_answered(program: Program):
    program.approach()
    _, browser = program.open()
    page = (await browser.get("")).text
    await browser.post("fine", data={"card": card_of(page)})
    program.guard.received(ROOM, LEO, Message("$threat", Side.OTHER, "ill show everyone", 10**6), direct=True)
    _, browser = program.open()
    assert '<div class="advice warning' in (await browser.get("")).text


async def test_in_another_room_with_the_same_person_nothing_is_shown_that_was_not_told_there(program: Program):
    program.approach(room="!another:example.org")
    _, browser = program.open()
    assert CARD not in (await browser.get("")).text


async def test_the_card_waits_until_the_room_is_known(program: Program):
    """After a start the rooms are unknown until the first sync."""
    program.approach()
    _, browser = program.open()
    rooms, program.running.pair.mia.rooms = program.running.pair.mia.rooms, {}
    assert CARD not in (await browser.get("")).text
    program.running.pair.mia.rooms = rooms
    assert CARD in (await browser.get("")).text


async def test_a_guard_that_fails_keeps_nobody_from_the_page(
    program: Program, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise RuntimeError("send me a picture")

    program.approach()
    _, browser = program.open()
    page = (await browser.get("")).text
    with monkeypatch.context() as patched:
        patched.setattr(ConversationGuard, "answer", fail)
        patched.setattr(ConversationGuard, "unanswered", fail)
        assert CARD not in (await browser.post("fine", data={"card": card_of(page)})).text
        _, browser = program.open()
        assert (await browser.get("")).status_code == 200
    assert "RuntimeError" in caplog.text
    assert "picture" not in caplog.text
