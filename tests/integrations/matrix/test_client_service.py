"""Who may speak for the service to a guarded client, and where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.enforcement import PlainClient, Service, new_id
from harness.matrix import Company, Partner
from tutela.integrations.matrix import syncing
from tutela.integrations.matrix.errors import AccountLocked, MatrixError, RoomNotEncrypted, SomebodyJoined
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.rooms import MEGOLM, Room
from tutela.integrations.matrix.speaking import Speaker
from tutela.integrations.matrix.timeline import (
    Invitation,
    Notice,
    NoticeKind,
    Problem,
    ServiceMessage,
    TimelineEvent,
    UnreadableMessage,
)
from tutela.provider.review import outbox

TEXT = "Your account is suspended.\n\nYou can appeal: https://provider.example/appeal/x"
ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}
SPEAKER = Speaker("@safety:one.example", "@mia:one.example")


@pytest.fixture(scope="module")
async def service(homeserver: Homeserver) -> AsyncIterator[Service]:
    opened = await Service.open(homeserver)
    yield opened
    await opened.close()


@pytest.fixture
async def mia(company: Company, service: Service) -> Partner:
    entered = await company.enter("mia", service=service.client.user_id)
    await entered.sync()
    return entered


async def made(host: PlainClient, *guests: str, encrypted: bool = False) -> str:
    body = {"preset": "private_chat", "invite": guests, "initial_state": [ENCRYPTION] if encrypted else []}
    return str((await host.ask("POST", "createRoom", json=body)).raise_for_status().json()["room_id"])


async def write(client: PlainClient, room: str, text: str = TEXT, **more: Any) -> None:
    content = {"msgtype": "m.text", "body": text, **more}
    answer = await client.ask("PUT", f"rooms/{room}/send/m.room.message/{new_id()}", json=content)
    answer.raise_for_status()


async def not_shown(mia: Partner, room: str) -> None:
    """Nothing that was said in `room` is the service's word; it is there, and not shown."""
    await mia.until(UnreadableMessage, lambda event: event.room_id == room)
    unreadable = [event.problem for event in mia.seen if isinstance(event, UnreadableMessage)]
    assert set(unreadable) == {Problem.NOT_ENCRYPTED}
    assert said(mia) == []


def said(mia: Partner) -> list[str]:
    return [event.text for event in mia.seen if isinstance(event, ServiceMessage)]


@pytest.mark.slow
async def test_a_decision_is_read_on_the_device(mia: Partner, service: Service):
    await service.perform(outbox.STATEMENT, mia.user_id, TEXT)
    await service.perform(outbox.CORRECTION, mia.user_id, "It was a mistake.")
    await mia.until(ServiceMessage, lambda event: event.text == "It was a mistake.")
    assert said(mia) == [TEXT, "It was a mistake."]
    first, second = (event for event in mia.seen if isinstance(event, ServiceMessage))
    assert first.sender == service.client.user_id
    assert first.event_id.startswith("$")
    assert first.room_id == second.room_id
    assert 0 < first.sent_at <= second.sent_at
    assert not [event for event in mia.seen if isinstance(event, UnreadableMessage | Invitation)]


@pytest.mark.slow
async def test_a_locked_account_is_told_keeps_what_it_read_and_goes_on(
    mia: Partner, service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(syncing, "_SYNC_SECONDS", 1.0)
    monkeypatch.setattr(syncing, "_LOCKED_PAUSE", 0.2)

    async def shown(kind: type[TimelineEvent]) -> TimelineEvent:
        async with asyncio.timeout(30):
            return await anext(event async for event in mia.client.events if isinstance(event, kind))

    running = asyncio.create_task(mia.client.run())
    await service.perform(outbox.STATEMENT, mia.user_id, TEXT)
    letter = await shown(ServiceMessage)
    await service.perform(outbox.LOCK, mia.user_id)
    locked = await shown(Notice)
    assert isinstance(letter, ServiceMessage)
    assert "/appeal/" in letter.text
    assert isinstance(locked, Notice)
    assert locked.kind is NoticeKind.ACCOUNT_LOCKED
    with pytest.raises(AccountLocked):
        await mia.client.sync_once()
    await service.perform(outbox.UNLOCK, mia.user_id)
    again = await shown(Notice)
    assert isinstance(again, Notice)
    assert again.kind is NoticeKind.ACCOUNT_UNLOCKED
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.slow
async def test_an_invitation_of_the_service_is_accepted(mia: Partner, service: Service):
    room = await made(service.client, mia.user_id)
    await write(service.client, room)
    assert (await mia.until(ServiceMessage)).room_id == room
    assert not [event for event in mia.seen if isinstance(event, Invitation)]


@pytest.mark.slow
async def test_without_a_name_in_the_configuration_nobody_speaks_for_the_service(company: Company, service: Service):
    leo = await company.enter("leo")
    await service.perform(outbox.STATEMENT, leo.user_id, TEXT)
    assert (await leo.until(UnreadableMessage)).problem is Problem.NOT_ENCRYPTED
    assert said(leo) == []


@pytest.mark.slow
async def test_the_same_name_elsewhere_is_somebody_else(company: Company, service: Service):
    name = service.client.user_id.partition(":")[0]
    zoe = await company.enter("zoe", service=f"{name}:elsewhere.example")
    room = await made(service.client, zoe.user_id)
    await write(service.client, room)
    await zoe.until(Invitation, lambda event: event.room_id == room)
    await zoe.client.join(room)
    await not_shown(zoe, room)


@pytest.mark.slow
async def test_another_account_invites(mia: Partner, service: Service):
    eve = await service.user(service.client.person.name)  # whose name begins as the service's
    room = await made(eve, mia.user_id)
    await write(eve, room)
    await mia.until(Invitation, lambda event: event.room_id == room)
    assert room not in mia.client.rooms
    await mia.client.join(room)
    await not_shown(mia, room)
    await eve.http.aclose()


@pytest.mark.slow
async def test_the_service_in_a_room_of_somebody_else(mia: Partner, service: Service):
    eve = await service.user("eve")
    room = await made(eve, service.client.user_id)
    (await service.client.ask("POST", f"join/{room}", json={})).raise_for_status()
    (await service.client.ask("POST", f"rooms/{room}/invite", json={"user_id": mia.user_id})).raise_for_status()
    await mia.until(Invitation, lambda event: event.room_id == room)
    await mia.client.join(room)
    (await eve.ask("POST", f"rooms/{room}/leave", json={})).raise_for_status()
    await write(service.client, room)
    await not_shown(mia, room)
    await eve.http.aclose()


@pytest.mark.slow
async def test_an_encrypted_room(mia: Partner, service: Service):
    room = await made(service.client, mia.user_id, encrypted=True)
    await mia.until(Invitation, lambda event: event.room_id == room)
    assert room not in mia.client.rooms
    await mia.client.join(room)
    await write(service.client, room)
    await not_shown(mia, room)


@pytest.mark.slow
async def test_a_third_member(mia: Partner, service: Service):
    zoe = await service.user("zoe")
    room = await made(service.client, mia.user_id, zoe.user_id)
    await write(service.client, room)
    await not_shown(mia, room)
    await zoe.http.aclose()


@pytest.mark.slow
async def test_what_somebody_else_writes_there(mia: Partner, service: Service):
    room = await made(service.client, mia.user_id)
    await write(service.client, room)
    await mia.until(ServiceMessage)
    await mia.client._device.api.put(f"rooms/{room}/send/m.room.message/1", {"msgtype": "m.text", "body": "forged"})
    await mia.until(UnreadableMessage)
    assert said(mia) == [TEXT]


@pytest.mark.slow
async def test_a_picture_and_what_is_no_plain_text(mia: Partner, service: Service):
    room = await made(service.client, mia.user_id)
    more: tuple[dict[str, Any], ...] = ({"msgtype": "m.image", "url": "mxc://x/y"}, {"msgtype": "m.emote"})
    for one in more:
        await write(service.client, room, **one)
    html = {"format": "org.matrix.custom.html", "formatted_body": "<b>other words</b>"}
    await write(service.client, room, "the last", **html)
    await mia.until(ServiceMessage)
    assert said(mia) == ["the last"]
    assert len([event for event in mia.seen if isinstance(event, UnreadableMessage)]) == len(more)


@pytest.mark.slow
async def test_what_is_told_twice_is_shown_once(mia: Partner, service: Service):
    held: list[dict[str, Any]] = []

    def again(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        if not path.endswith("/sync"):
            return None
        for room in answer.get("rooms", {}).get("join", {}).values():
            held.append(room)
            room["timeline"]["events"] *= 2
        return {**answer, "rooms": {"join": {room_id: held[-1]}}} if held else answer

    room_id = await made(service.client, mia.user_id)
    await mia.sync()
    mia.network.meddle = again
    await write(service.client, room_id)
    for _ in range(3):
        await mia.sync(seconds=1.0)
    assert said(mia) == [TEXT]


@pytest.mark.slow
async def test_after_a_restart_the_old_is_not_new_and_the_new_is_read(company: Company, mia: Partner, service: Service):
    await service.perform(outbox.STATEMENT, mia.user_id, "old")
    await mia.until(ServiceMessage)
    await mia.client.close()
    await service.perform(outbox.STATEMENT, mia.user_id, "while it was off")
    again = await company.enter(mia.person, password=None, service=service.client.user_id)
    await again.until(ServiceMessage)
    await again.sync()
    assert said(again) == ["while it was off"]
    other = await company.enter(
        mia.person, profile="another device", service=service.client.user_id, replace_identity=True
    )
    await other.sync()
    assert said(other) == ["old", "while it was off"]


@pytest.mark.slow
async def test_who_is_suspended_reads_what_was_said_and_can_accept_no_invitation(mia: Partner, service: Service):
    await service.perform(outbox.STATEMENT, mia.user_id, TEXT)
    await service.perform(outbox.SUSPEND, mia.user_id)
    room = await made(service.client, mia.user_id)
    await mia.until(Invitation, lambda event: event.room_id == room)
    assert said(mia) == [TEXT]
    assert room not in mia.client.rooms


@pytest.mark.slow
async def test_the_client_never_writes_there_nor_takes_the_service_for_a_reader(mia: Partner, service: Service):
    room = await made(service.client, mia.user_id)
    await write(service.client, room)
    await mia.until(ServiceMessage)
    with pytest.raises(RoomNotEncrypted):
        await mia.client.send_text(room, "why?")
    answer = await service.client.ask("PUT", f"rooms/{room}/state/m.room.encryption/", json=ENCRYPTION["content"])
    answer.raise_for_status()
    notice = await mia.until(Notice)
    assert (notice.kind, notice.sender) == (NoticeKind.SOMEBODY_JOINED, service.client.user_id)
    with pytest.raises(SomebodyJoined):
        await mia.client.send_text(room, "why?")
    await write(service.client, room, "after it was encrypted")
    await mia.until(UnreadableMessage)
    assert said(mia) == [TEXT]


@pytest.mark.slow
async def test_the_service_in_a_conversation_is_asked_about_as_anybody(
    company: Company, mia: Partner, service: Service
):
    leo = await company.enter("leo")
    room = await company.room(mia, leo)
    await leo.client.invite(room, service.client.user_id)
    (await service.client.ask("POST", f"join/{room}", json={})).raise_for_status()
    notice = await mia.until(Notice)
    assert (notice.kind, notice.sender) == (NoticeKind.SOMEBODY_JOINED, service.client.user_id)
    with pytest.raises(SomebodyJoined):
        await mia.client.send_text(room, "between us")
    await write(service.client, room)
    await not_shown(mia, room)


# Pure


@pytest.mark.parametrize("name", ["", "safety", "@safety", "safety:one.example", "@sa\u202efety:one.example"])
def test_only_a_whole_name_can_speak(name: str):
    with pytest.raises(MatrixError, match="cannot speak"):
        Speaker(name, "@mia:one.example")


def test_nobody_speaks_for_the_service_to_themselves():
    with pytest.raises(MatrixError, match="cannot speak"):
        Speaker("@mia:one.example", "@mia:one.example")


def heard(raw: Any, **room: Any) -> ServiceMessage | None:
    private = {"creator": SPEAKER.service, "joined": {SPEAKER.service, SPEAKER.listener}} | room
    head = {"room_id": "!r", "event_id": "$e", "sender": SPEAKER.service, "sent_at": 1}
    return SPEAKER.message(Room("!r", **private), head, raw)


@given(st.text())
def test_words_are_shown_as_they_are(text: str):
    message = heard({"type": "m.room.message", "content": {"msgtype": "m.text", "body": text}})
    assert message is not None
    assert message.text == text


def test_no_message_is_longer_than_an_event_of_matrix():
    message = heard({"type": "m.room.message", "content": {"msgtype": "m.text", "body": "\ud800" * 100_000}})
    assert message is not None
    assert message.text == "?" * 65_536


@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_anything_else_is_no_word_of_the_service(content: Any):
    assert heard({"type": "m.room.message", "content": content}) is None
    assert heard({"type": "m.sticker", "content": {"msgtype": "m.text", "body": "x"}}) is None


@pytest.mark.parametrize(
    "room",
    [
        {"encrypted": True},
        {"creator": "@safety:two.example"},
        {"creator": ""},
        {"joined": {SPEAKER.listener}},
        {"joined": {SPEAKER.service}},
        {"invited": {"@zoe:one.example"}},
    ],
)
def test_no_other_room_is_private(room: dict[str, Any]):
    assert heard({"type": "m.room.message", "content": {"msgtype": "m.text", "body": "x"}}, **room) is None


@pytest.mark.parametrize("state", [[], [{}], [None, 7], [{"type": "m.room.create", "state_key": "", "sender": 7}]])
def test_an_invitation_without_a_maker_is_nobodys(state: list[Any]):
    assert not SPEAKER.invites("!r", SPEAKER.service, state)
