"""Receiving: gaps, late keys, hostile input, exhausted keys, broken sessions, a homeserver that is away."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest

from harness.matrix import Company, Partner
from harness.pictures import ORDINARY
from tutela.device.errors import DeviceError
from tutela.integrations.matrix import receiving, syncing
from tutela.integrations.matrix.errors import MatrixError, Refused, SignedOut, Unreachable
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.timeline import (
    Invitation,
    Notice,
    NoticeKind,
    PictureMessage,
    Problem,
    TextMessage,
    UnreadableMessage,
)

pytestmark = pytest.mark.slow


def _texts(events: list[Any]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextMessage) and not event.own]


async def test_an_invitation(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await mia.client.create_encrypted_room(invite=[leo.user_id], name="Family")
    invitation = await leo.until(Invitation)
    assert (invitation.room_id, invitation.sender, invitation.name) == (room, mia.user_id, "Family")
    await leo.client.join(room)
    assert leo.client.rooms[room].name == "Family"
    await leo.client.send_text(room, "at once, before any sync")
    assert (await mia.until(TextMessage)).trust is SenderTrust.VERIFIED


async def test_a_long_absence_leaves_no_gap(company: Company, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(syncing, "_FILTER", '{"room":{"timeline":{"limit":2}}}')
    monkeypatch.setattr(receiving, "PAGE", 3)
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    sent = [str(number) for number in range(12)]
    for text in sent:
        await leo.client.send_text(room, text)
    assert _texts(await mia.sync()) == sent
    assert len(mia.network.paths("/messages")) > 1


async def test_too_long_an_absence_is_told(company: Company, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(syncing, "_FILTER", '{"room":{"timeline":{"limit":1}}}')
    monkeypatch.setattr(receiving, "PAGE", 1)
    monkeypatch.setattr(receiving, "_PAGES", 2)
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    for number in range(6):
        await leo.client.send_text(room, str(number))
    events = await mia.sync()
    assert [event.kind for event in events if isinstance(event, Notice)] == [NoticeKind.MESSAGES_SKIPPED]
    assert _texts(events) == ["3", "4", "5"]


async def test_a_key_that_comes_late_opens_what_waited(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    held: list[Any] = []

    def hold(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        if path.endswith("/sync"):
            held.extend(answer.pop("to_device", {}).get("events", []))
            return answer
        return None

    leo.network.meddle = hold
    event_id = await mia.client.send_text(room, "patience")
    [waiting] = await leo.sync()
    assert isinstance(waiting, UnreadableMessage)
    assert (waiting.problem, waiting.event_id) == (Problem.NO_KEY, event_id)
    assert len(held) == 1
    leo.network.meddle = lambda path, answer: (
        {**answer, "to_device": {"events": held}} if path.endswith("/sync") else None
    )
    [opened] = await leo.sync()
    assert isinstance(opened, TextMessage)
    assert (opened.text, opened.event_id) == ("patience", event_id)


async def test_nothing_is_lost_when_the_homeserver_fails_in_the_middle(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await leo.client.send_text(room, "first")
    mia.client._device.devices_changed([leo.user_id], [])
    mia.network.meddle = lambda path, answer: httpx.Response(500, json={}) if path.endswith("keys/query") else None
    with pytest.raises(MatrixError):
        await mia.sync()
    mia.network.meddle = lambda path, answer: None
    assert _texts(await mia.sync()) == ["first"]


async def test_it_runs_through_an_outage_and_ends_when_signed_out(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    running = asyncio.create_task(mia.client.run())
    mia.network.down = True
    await leo.client.send_text(room, "while it was down")
    async with asyncio.timeout(30):
        seen = len(mia.network.requests)
        while len(mia.network.requests) < seen + 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        mia.network.down = False
        async for event in mia.client.events:
            if isinstance(event, TextMessage):
                assert event.text == "while it was down"
                break
        await mia.client._device.api.post("logout", {})
        with pytest.raises(SignedOut):
            await running


async def test_an_unreachable_homeserver_is_told_to_who_sends(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    mia.network.down = True
    with pytest.raises(Unreachable):
        await mia.client.send_text(room, "hello?")
    with pytest.raises(Unreachable):
        await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    mia.network.down = False
    await mia.client.send_text(room, "hello!")
    assert (await leo.until(TextMessage)).text == "hello!"


async def test_a_lost_answer_sends_nothing_twice(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    lost = []

    def lose(path: str, answer: dict[str, Any]) -> None:
        if "/send/" in path and not lost:
            lost.append(path)
            raise httpx.ReadError("lost on the way back")

    mia.network.meddle = lose
    await mia.client.send_text(room, "once")
    assert len(lost) == 1
    assert _texts(await leo.sync()) == ["once"]


JUNK = [
    {"type": "m.room.encrypted", "content": {}},
    {"type": "m.room.encrypted", "content": {"algorithm": "m.olm.v1.curve25519-aes-sha2"}},
    {"type": "m.room.encrypted", "content": {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}},
    {"type": "m.room_key", "content": {"algorithm": "m.megolm.v1.aes-sha2", "session_key": "x"}},
    {"type": "m.forwarded_room_key", "content": {"room_id": "x"}},
    {"type": "m.key.verification.start", "content": {"method": 1}},
    {"type": "m.room_key_request", "content": {"action": "request"}},
    {"type": "m.room_key.withheld", "content": {"code": ["m.unverified"]}},
    {"type": "org.example.unknown", "content": {"a": 1}},
]


async def _junk(sender: Partner, target: Partner) -> None:
    own = target.client._device.machine.curve25519
    bodies = [
        {"type": kind, "body": body}
        for kind in (0, 1, 2, "x")
        for body in ("", "AAAA", "###", "AwogAAAA", 7, None, {"a": []})
    ]
    encrypted = [
        {
            "type": "m.room.encrypted",
            "content": {
                "algorithm": "m.olm.v1.curve25519-aes-sha2",
                "sender_key": key,
                "ciphertext": {own: body},
            },
        }
        for body in bodies
        for key in (sender.client._device.machine.curve25519, "not a key")
    ]
    for number, event in enumerate(JUNK + encrypted):
        messages = {target.user_id: {target.client.device_id: event["content"]}}
        path = f"sendToDevice/{event['type']}/junk{number}"
        await sender.client._device.api.put(path, {"messages": messages})


async def test_malformed_messages_to_a_device_change_nothing(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await _junk(leo, mia)
    await leo.client.send_text(room, "after all that")
    assert (await mia.until(TextMessage)).text == "after all that"


async def test_malformed_events_in_a_room_change_nothing(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    megolm = {"algorithm": "m.megolm.v1.aes-sha2", "session_id": "x", "ciphertext": "AAAA"}
    wrong: list[dict[str, Any]] = [
        {},
        {"algorithm": "none"},
        {"algorithm": ["m.megolm.v1.aes-sha2"]},
        megolm | {"session_id": 7},
        megolm | {"ciphertext": {"a": 1}},
        megolm,
    ]
    for number, content in enumerate(wrong):
        await leo.client._device.api.put(f"rooms/{room}/send/m.room.encrypted/wrong{number}", content)
    await leo.client.send_text(room, "after all that")
    events = await mia.sync()
    assert _texts(events) == ["after all that"]
    problems = [event.problem for event in events if isinstance(event, UnreadableMessage)]
    assert problems == [Problem.UNDECRYPTABLE] * 5 + [Problem.NO_KEY]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"next_batch": 7, "rooms": "x", "to_device": [], "device_lists": {"changed": [1, None], "left": "x"}},
        {"rooms": {"join": {"!r": None, "!s": {"timeline": {"events": [None, 1, {}, {"type": "m.room.encrypted"}]}}}}},
        {"rooms": {"join": {"!r": {"state": {"events": [[], {"type": "m.room.member", "state_key": "@x"}]}}}}},
        {"rooms": {"invite": {"!r": None, "!s": {"invite_state": {"events": [None, {"sender": 1}]}}}, "leave": []}},
        {"device_one_time_keys_count": {"signed_curve25519": "many"}, "device_unused_fallback_key_types": None},
        {"rooms": {"join": {"!r": {"timeline": {"limited": True, "prev_batch": 7, "events": {}}}}}},
    ],
)
async def test_a_sync_answer_of_any_form_is_survived(company: Company, answer: dict[str, Any]):
    mia = await company.enter("mia")
    mia.network.meddle = lambda path, _: answer if path.endswith("/sync") else None
    with pytest.raises(Refused):  # no answer says how to go on
        await mia.sync()
    mia.drain()
    mia.network.meddle = lambda path, _: None
    room = await company.room(mia)
    await mia.client.send_text(room, "still here")


async def test_who_claims_all_one_time_keys_cannot_keep_others_out(company: Company):
    mia, leo, eve = await company.enter("mia"), await company.enter("leo"), await company.enter("eve")
    wanted = {"one_time_keys": {leo.user_id: {leo.client.device_id: "signed_curve25519"}}}
    fallback: list[str] = []
    async with asyncio.timeout(60):
        while not fallback:
            claimed = await eve.client._device.api.post("keys/claim", wanted)
            [(name, key)] = claimed["one_time_keys"][leo.user_id][leo.client.device_id].items()
            if key.get("fallback"):
                fallback.append(name)
    room = await company.room(mia, leo)  # Leo synchronises here, sees that his keys are gone, and uploads more
    assert len(leo.network.paths("keys/upload")) == 2
    await mia.client.send_text(room, "hello")
    assert (await leo.until(TextMessage)).text == "hello"
    again = await eve.client._device.api.post("keys/claim", wanted)
    [(name, key)] = again["one_time_keys"][leo.user_id][leo.client.device_id].items()
    assert "fallback" not in key
    assert name not in fallback


async def test_the_fallback_key_works(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await leo.client.close()
    wanted = {"one_time_keys": {leo.user_id: {leo.client.device_id: "signed_curve25519"}}}
    async with asyncio.timeout(60):
        for _ in range(200):
            claimed = await mia.client._device.api.post("keys/claim", wanted)
            [key] = claimed["one_time_keys"][leo.user_id][leo.client.device_id].values()
            if key.get("fallback"):
                break
    await mia.client.send_text(room, "through the fallback key")
    again = await company.enter(leo.person, password=None)
    assert (await again.until(TextMessage)).text == "through the fallback key"


async def test_a_false_one_time_key_is_not_used(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)

    def swap(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        if not path.endswith("keys/claim"):
            return None
        [key] = answer["one_time_keys"][leo.user_id][leo.client.device_id].values()
        key["key"] = mia.client._device.machine.curve25519
        return answer

    mia.network.meddle = swap
    await mia.client.send_text(room, "nobody reads this")
    assert isinstance((await leo.sync())[0], UnreadableMessage)
    mia.network.meddle = lambda path, answer: None
    await mia.client.send_text(room, "and now")  # the claim is tried again with the next message
    assert (await leo.until(TextMessage)).text == "and now"


async def test_a_broken_olm_session_heals(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "before")
    await leo.client.send_text(room, "so both sides have a session")
    await mia.sync()
    await leo.sync()
    # Leo's device was restored from a backup: it has lost the session, and Mia does not know.
    leo.client._device.machine._olm.session_store._entries.clear()
    mia.client._device.machine._olm.outbound_group_sessions.clear()
    await mia.client.send_text(room, "cannot be read")
    assert isinstance((await leo.sync())[0], UnreadableMessage)
    await mia.sync()
    mia.client._device.machine._olm.outbound_group_sessions.clear()
    await mia.client.send_text(room, "healed")
    assert _texts(await leo.sync()) == ["healed"]


async def test_a_failing_guard_shows_nothing(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)

    async def fail(picture: bytes) -> Any:
        raise DeviceError("broken")

    leo.guard.check_incoming = fail  # type: ignore[method-assign]
    await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    [event] = await leo.sync()
    assert isinstance(event, UnreadableMessage)
    assert event.problem is Problem.CHECK_FAILED


async def test_closing_ends_the_events_and_the_guard(company: Company):
    mia = await company.enter("mia")
    listening = asyncio.create_task(_collect(mia))
    also_listening = asyncio.create_task(_collect(mia))
    await asyncio.sleep(0)
    await mia.client.close()
    async with asyncio.timeout(10):
        assert await listening == await also_listening == []
    assert mia.guard.closed


async def test_closing_ends_what_runs(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    running, cancelled = (asyncio.create_task(partner.client.run()) for partner in (mia, leo))
    await mia.client.sync_once()
    async with asyncio.timeout(10):
        await mia.client.close()
        await running
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled


async def _collect(partner: Partner) -> list[Any]:
    return [event async for event in partner.client.events]


async def test_sending_while_it_runs(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    running = [asyncio.create_task(partner.client.run()) for partner in (mia, leo)]
    await asyncio.gather(*(mia.client.send_text(room, str(number)) for number in range(10)))
    await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    texts = []
    async with asyncio.timeout(30):
        async for event in leo.client.events:
            if isinstance(event, PictureMessage):
                break
            assert isinstance(event, TextMessage)
            texts.append(event.text)
    assert sorted(texts, key=int) == [str(number) for number in range(10)]
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_halves_of_characters_and_impossible_times_reach_no_page(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await leo.send_unfranked(room, {"msgtype": "m.text", "body": "before \ud800 after"})
    message = await mia.until(TextMessage)
    assert message.text.encode() == b"before ? after"
    for time in (2**53 - 1, -1, True, "yesterday", None):
        head = receiving._head(room, {"event_id": "$e\udfff", "sender": leo.user_id, "origin_server_ts": time})
        assert head is not None
        assert (head["sent_at"], head["event_id"]) == (0, "$e?")
