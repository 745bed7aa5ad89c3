"""Who comes into a room: accepted before they can read, against a homeserver that brings ghosts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from harness.matrix import Company, Partner
from harness.pictures import ORDINARY
from tutela.integrations.matrix import syncing
from tutela.integrations.matrix.errors import SomebodyJoined, UnknownRoom
from tutela.integrations.matrix.timeline import Notice, NoticeKind, Problem, TextMessage, UnreadableMessage
from tutela.language import words

pytestmark = pytest.mark.slow


def _asked(events: Iterable[Any]) -> list[str]:
    """The people about whom the user is asked."""
    return [e.sender for e in events if isinstance(e, Notice) and e.kind is NoticeKind.SOMEBODY_JOINED]


async def _refused(sender: Partner, room: str) -> tuple[str, ...]:
    """Try to send in every way; return whom it was refused for. Nothing may leave, no key and no message."""
    before, checks = len(sender.network.requests), len(sender.guard.asked)
    with pytest.raises(SomebodyJoined) as refused:
        await sender.client.send_text(room, "a secret")
    with pytest.raises(SomebodyJoined):
        await sender.client.send_picture(room, ORDINARY, "coffee.jpg")
    gone = [path for _, path in sender.network.requests[before:]]
    assert not [path for path in gone if "/send" in path or "/upload" in path]
    assert len(sender.guard.asked) == checks
    return refused.value.users


async def _invite(inviter: Partner, room: str, guest: Partner) -> None:
    """Invite as any other client would."""
    await inviter.client._device.api.post(f"rooms/{room}/invite", {"user_id": guest.user_id})


async def test_somebody_whom_another_member_brings_reads_nothing_before_being_accepted(company: Company):
    mia, leo, zoe = await company.enter("mia"), await company.enter("leo"), await company.enter("zoe")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "between us")
    await _invite(leo, room, zoe)
    events = await mia.sync()
    assert _asked(events) == [zoe.user_id]
    [notice] = [event for event in events if isinstance(event, Notice)]
    assert notice.room_id == room
    for language in ("en", "fr"):
        assert zoe.user_id in notice.text(words(language))
    assert await _refused(mia, room) == (zoe.user_id,)
    await zoe.client.join(room)
    await zoe.sync()
    assert _asked(await mia.sync()) == []  # told once
    assert await _refused(mia, room) == (zoe.user_id,)
    mia.client.accept_reader(room, zoe.user_id)
    await mia.client.send_text(room, "hello, Zoe")
    assert (await zoe.until(TextMessage)).text == "hello, Zoe"
    # What was written before stays closed to her, although it has the same key's ratchet, further back.
    raw = await zoe.client._device.api.get(f"rooms/{room}/messages", params={"dir": "b", "limit": "50"})
    encrypted = [event for event in raw["chunk"] if event["type"] == "m.room.encrypted"]
    read = [found for event in encrypted async for found in zoe.client._receiver._event(room, event)]
    assert {type(found) for found in read} == {TextMessage, UnreadableMessage}
    assert [found.text for found in read if isinstance(found, TextMessage)] == ["hello, Zoe"]


async def test_a_member_whom_the_homeserver_makes_up_reads_nothing(company: Company):
    mia, leo, eve = await company.enter("mia"), await company.enter("leo"), await company.enter("eve")
    room = await company.room(mia, leo)
    # Eve's account and its keys are real, her joining is the homeserver's invention.
    for number, sender in enumerate((eve, mia, leo)):
        ghost = {"type": "m.room.member", "state_key": eve.user_id, "content": {"membership": "join"}}

        def invent(path: str, answer: dict[str, Any], sender: Partner = sender, ghost: Any = ghost) -> Any:
            if not path.endswith("/sync"):
                return None
            event = {**ghost, "sender": sender.user_id, "event_id": "$ghost", "origin_server_ts": 1}
            joined = answer.setdefault("rooms", {}).setdefault("join", {}).setdefault(room, {})
            joined.setdefault("timeline", {}).setdefault("events", []).append(event)
            return answer

        mia.network.meddle = invent
        assert _asked(await mia.sync()) == ([eve.user_id] if number == 0 else [])
        assert await _refused(mia, room) == (eve.user_id,)
    assert await eve.sync() == []


@pytest.mark.parametrize("request_path", ["keys/query", "keys/claim", "sendToDevice"])
async def test_who_comes_while_a_message_is_on_its_way_gets_no_key(company: Company, request_path: str):
    mia, leo, eve = await company.enter("mia"), await company.enter("leo"), await company.enter("eve")
    room = await company.room(mia, leo)
    await mia.client._device.look_up({eve.user_id})

    def come(path: str, answer: dict[str, Any]) -> None:
        if request_path in path:
            event = {"type": "m.room.member", "state_key": eve.user_id, "content": {"membership": "join"}}
            mia.client.rooms[room].apply(event)

    mia.client._device.devices_changed([leo.user_id], [])
    mia.network.meddle = come
    if request_path == "keys/query":
        with pytest.raises(SomebodyJoined):
            await mia.client.send_text(room, "a secret")
        assert mia.network.paths("/send") == []
    else:
        assert await mia.recipients(room) == {(leo.user_id, leo.client.device_id)}
    assert await _refused(mia, room) == (eve.user_id,)


async def test_acceptance_survives_a_restart_and_so_does_the_question(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    zoe, eve = await company.enter("zoe"), await company.enter("eve")
    room = await company.room(mia, leo)
    await _invite(leo, room, zoe)
    await mia.sync()
    mia.client.accept_reader(room, zoe.user_id)
    await _invite(leo, room, eve)
    assert _asked(await mia.sync()) == [eve.user_id]
    await mia.client.close()
    again = await company.enter(mia.person, password=None)
    assert _asked(await again.sync()) == [eve.user_id]
    assert await _refused(again, room) == (eve.user_id,)
    again.client.accept_reader(room, eve.user_id)
    everybody = {(person.user_id, person.client.device_id) for person in (leo, zoe, eve)}
    assert await again.recipients(room) == everybody


async def test_who_came_while_this_client_was_away_is_asked_about(company: Company):
    mia, leo, zoe = await company.enter("mia"), await company.enter("leo"), await company.enter("zoe")
    room = await company.room(mia, leo)
    await mia.client.close()
    await _invite(leo, room, zoe)
    await zoe.client.join(room)
    again = await company.enter(mia.person, password=None)
    assert _asked(await again.sync()) == [zoe.user_id]
    assert await _refused(again, room) == (zoe.user_id,)


async def test_who_came_before_a_gap_is_asked_about(company: Company, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(syncing, "_FILTER", '{"room":{"timeline":{"limit":1}}}')
    mia, leo, zoe = await company.enter("mia"), await company.enter("leo"), await company.enter("zoe")
    room = await company.room(mia, leo)
    await _invite(leo, room, zoe)
    for number in range(4):
        await leo.client._device.api.put(f"rooms/{room}/send/m.test/{number}", {})
    assert _asked(await mia.sync()) == [zoe.user_id]
    assert await _refused(mia, room) == (zoe.user_id,)


async def test_who_is_there_at_joining_is_accepted_and_who_comes_later_is_not(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    zoe, eve = await company.enter("zoe"), await company.enter("eve")
    room = await company.room(mia, leo)
    await mia.client.invite(room, zoe.user_id)
    await zoe.client.join(room)
    assert _asked(await zoe.sync()) == []
    await zoe.client.send_text(room, "hello, you two")
    await _invite(leo, room, eve)
    assert _asked(await zoe.sync()) == [eve.user_id]
    assert await _refused(zoe, room) == (eve.user_id,)
    await zoe.client.join(room)  # joining where one is already accepts nobody
    assert await _refused(zoe, room) == (eve.user_id,)


async def test_who_is_invited_by_this_client_is_accepted_and_by_another_in_its_name_is_not(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    zoe, eve = await company.enter("zoe"), await company.enter("eve")
    room = await company.room(mia, leo)
    await mia.client.invite(room, zoe.user_id)
    await zoe.client.join(room)
    assert _asked(await mia.sync()) == []
    await mia.client.send_text(room, "hello")
    # The homeserver, too, can invite in the account's name: only what this client did itself counts.
    await _invite(mia, room, eve)
    assert _asked(await mia.sync()) == [eve.user_id]
    with pytest.raises(UnknownRoom):
        await mia.client.invite("!elsewhere:example.org", eve.user_id)


async def test_a_ghost_in_a_room_from_its_making_is_asked_about(company: Company):
    mia, leo, eve = await company.enter("mia"), await company.enter("leo"), await company.enter("eve")

    def add(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        if path.endswith("/members"):
            member = {"type": "m.room.member", "state_key": eve.user_id, "content": {"membership": "join"}}
            return {"chunk": [*answer["chunk"], member]}
        return None

    mia.network.meddle = add
    room = await mia.client.create_encrypted_room(invite=[leo.user_id])
    assert await _refused(mia, room) == (eve.user_id,)


async def test_who_goes_and_is_brought_again_is_asked_about_again(company: Company):
    mia, leo, zoe = await company.enter("mia"), await company.enter("leo"), await company.enter("zoe")
    room = await company.room(mia, leo, zoe)
    await zoe.client.leave(room)
    await mia.sync()
    mia.client.accept_reader(room, zoe.user_id)  # in advance, which counts for nothing
    for _ in range(2):
        await _invite(leo, room, zoe)
        assert _asked(await mia.sync()) == [zoe.user_id]
        assert await _refused(mia, room) == (zoe.user_id,)
        mia.client.accept_reader(room, zoe.user_id)
        await mia.client.send_text(room, "hello")
        await zoe.client.leave(room)
        await mia.sync()


@pytest.mark.parametrize("away", [False, True])
async def test_who_goes_and_is_brought_again_before_a_gap_is_asked_about(
    company: Company, monkeypatch: pytest.MonkeyPatch, away: bool
):
    monkeypatch.setattr(syncing, "_FILTER", '{"room":{"timeline":{"limit":1}}}')
    mia, leo, zoe = await company.enter("mia"), await company.enter("leo"), await company.enter("zoe")
    room = await company.room(mia, leo, zoe)
    assert _asked(await mia.sync()) == []
    if away:
        await mia.client.close()
    await zoe.client.leave(room)
    await _invite(leo, room, zoe)
    await zoe.client.join(room)
    for number in range(4):
        await leo.client._device.api.put(f"rooms/{room}/send/m.test/{number}", {})
    again = await company.enter(mia.person, password=None) if away else mia
    assert _asked(await again.sync()) == [zoe.user_id]
    assert await _refused(again, room) == (zoe.user_id,)


async def test_a_homeserver_that_withholds_the_encryption_gets_no_ghost_in(company: Company):
    mia, leo, eve = await company.enter("mia"), await company.enter("leo"), await company.enter("eve")
    room = await leo.client.create_encrypted_room(invite=[mia.user_id])
    held: list[dict[str, Any]] = []
    more: list[dict[str, Any]] = []

    def withhold(path: str, answer: dict[str, Any]) -> Any:
        if "/state/m.room.encryption" in path:
            return httpx.Response(404, json={"errcode": "M_NOT_FOUND"})
        if not path.endswith("/sync"):
            return None
        joined = answer.setdefault("rooms", {}).setdefault("join", {}).setdefault(room, {})
        for part in ("state", "timeline"):
            events = joined.setdefault(part, {}).setdefault("events", [])
            held.extend(event for event in events if event["type"] == "m.room.encryption")
            events[:] = [event for event in events if event["type"] != "m.room.encryption"]
        joined["timeline"]["events"] += more
        return answer

    mia.network.meddle = withhold
    await mia.client.join(room)
    assert mia.client.rooms[room].readers == {mia.user_id, leo.user_id}
    await mia.sync()
    ghost = {"type": "m.room.member", "state_key": eve.user_id, "content": {"membership": "join"}}
    for event in ({**ghost, "sender": eve.user_id, "event_id": "$ghost", "origin_server_ts": 1}, held[0]):
        assert _asked(mia.seen) == []
        more[:] = [event]
        await mia.sync()
    assert _asked(mia.seen) == [eve.user_id]
    assert await _refused(mia, room) == (eve.user_id,)


async def test_a_room_from_before_has_its_readers_accepted_once(company: Company):
    mia, leo, zoe = await company.enter("mia"), await company.enter("leo"), await company.enter("zoe")
    room = await company.room(mia, leo)
    mia.client._device.store.update(accepted_readers={})  # as an earlier version left it
    await mia.client.close()
    again = await company.enter(mia.person, password=None)
    assert _asked(await again.sync()) == []
    assert await again.recipients(room) == {(leo.user_id, leo.client.device_id)}
    await _invite(leo, room, zoe)
    assert _asked(await again.sync()) == [zoe.user_id]


async def test_who_leaves_and_joins_again_accepts_who_is_there_then(company: Company):
    mia, leo, zoe = await company.enter("mia"), await company.enter("leo"), await company.enter("zoe")
    room = await company.room(leo, mia)
    await mia.client.leave(room)
    await leo.sync()
    await leo.client.invite(room, zoe.user_id)
    await leo.client.invite(room, mia.user_id)
    await mia.client.join(room)
    assert _asked(await mia.sync()) == []
    await mia.client.send_text(room, "hello")
    with pytest.raises(UnknownRoom):
        mia.client.accept_reader("!elsewhere:example.org", zoe.user_id)


async def test_who_was_put_out_and_let_in_again_keeps_asking(company: Company):
    mia, leo, zoe = await company.enter("mia"), await company.enter("leo"), await company.enter("zoe")
    room = await company.room(leo, mia)
    await leo.client._device.api.post(f"rooms/{room}/kick", {"user_id": mia.user_id})
    await mia.sync()
    assert room not in mia.client.rooms
    await leo.client.invite(room, zoe.user_id)
    await leo.client.invite(room, mia.user_id)
    await mia.client.join(room)
    assert _asked(await mia.sync()) == [zoe.user_id]
    assert await _refused(mia, room) == (zoe.user_id,)


async def test_a_ghost_learns_of_a_message_only_that_there_is_one(company: Company):
    """What the ghost holds in the end: the message, without its key."""
    mia, leo, eve = await company.enter("mia"), await company.enter("leo"), await company.enter("eve")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "before Mia can know of her")
    await leo.client.invite(room, eve.user_id)
    await eve.client.join(room)
    await mia.client.send_text(room, "Mia has not been told yet")
    seen = [event for event in await eve.sync() if not isinstance(event, Notice)]
    assert {type(event) for event in seen} == {UnreadableMessage}
    assert {event.problem for event in seen if isinstance(event, UnreadableMessage)} == {Problem.NO_KEY}
