"""Which rooms a client takes for its own, and whom it accepts there: against a homeserver that lies about rooms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.lone_device import ENCRYPTION, EVE, LEO, MIA, ZOE, LoneDevice, asked, lone_device, member, sync
from tutela.integrations.matrix import membership
from tutela.integrations.matrix.errors import MatrixError, Refused, SomebodyJoined

ROOM, OTHER = "!room:example.org", "!other:example.org"
ABSENT = httpx.Response(404, json={"errcode": "M_NOT_FOUND"})


@pytest.fixture
async def mia(tmp_path: Path) -> AsyncIterator[LoneDevice]:
    async with lone_device(tmp_path) as lone:
        yield lone


def says(lone: LoneDevice, *members: str, encryption: Any = ENCRYPTION["content"]) -> None:
    """What the homeserver says of a room that is joined now."""
    lone.answers |= {
        "/members": {"chunk": [member(user) for user in members]},
        "/state/m.room.encryption/": encryption,
        "/state/m.room.name/": ABSENT,
        "/state/m.room.history_visibility/": ABSENT,
    }


async def joined(lone: LoneDevice, *members: str, encryption: Any = ENCRYPTION["content"]) -> None:
    says(lone, *members, encryption=encryption)
    await membership.join(lone.device, ROOM)
    assert await lone.take(sync(ROOM, *(member(user) for user in members))) == []


def refused_for(lone: LoneDevice, room_id: str = ROOM) -> tuple[str, ...]:
    with pytest.raises(SomebodyJoined) as refused:
        lone.device.writable_room(room_id)
    return refused.value.users


async def test_who_comes_before_the_room_is_said_to_be_encrypted_is_asked_about(mia: LoneDevice):
    await joined(mia, MIA, LEO, encryption=ABSENT)
    assert mia.device.rooms[ROOM].readers == {MIA, LEO}
    assert await mia.take(sync(ROOM, member(EVE))) == []
    assert asked(await mia.take(sync(ROOM, ENCRYPTION))) == [EVE]
    assert refused_for(mia) == (EVE,)
    mia.restart()
    assert asked(await mia.take(sync(ROOM, state=(member(MIA), member(LEO), member(EVE))))) == [EVE]
    assert refused_for(mia) == (EVE,)


async def test_who_was_there_at_joining_stays_accepted_when_the_room_is_encrypted_later(mia: LoneDevice):
    await joined(mia, MIA, LEO, encryption=ABSENT)
    mia.restart()
    await mia.take(sync(ROOM, state=(member(MIA), member(LEO))))
    assert await mia.take(sync(ROOM, ENCRYPTION)) == []
    mia.device.writable_room(ROOM)


async def test_a_room_whose_encryption_cannot_be_read_is_not_joined_in_silence(mia: LoneDevice):
    says(mia, MIA, LEO, encryption=httpx.Response(500, json={}))
    with pytest.raises(Refused, match="500"):
        await membership.join(mia.device, ROOM)


async def test_in_a_room_that_nobody_joined_here_everybody_is_asked_about(mia: LoneDevice):
    found = await mia.take(sync(ROOM, member(MIA), member(EVE), member(LEO, "invite"), ENCRYPTION))
    assert asked(found) == [EVE, LEO]
    assert refused_for(mia) == (EVE, LEO)
    mia.restart()
    assert asked(await mia.take(sync(ROOM, state=(member(MIA), member(EVE))))) == [EVE]
    says(mia, MIA, EVE)
    await membership.join(mia.device, ROOM)  # where one is already, joining accepts nobody
    assert refused_for(mia) == (EVE,)


async def test_a_room_that_was_left_is_not_had_again_for_being_listed(mia: LoneDevice):
    await joined(mia, MIA, LEO)
    await membership.leave(mia.device, ROOM)
    assert asked(await mia.take(sync(ROOM, member(MIA), member(LEO), ENCRYPTION))) == [LEO]
    assert refused_for(mia) == (LEO,)


async def test_a_new_room_is_not_an_old_one(mia: LoneDevice):
    await joined(mia, MIA, LEO)
    mia.answers["createRoom"] = {"room_id": ROOM}
    for _ in range(2):
        with pytest.raises(Refused, match="no new room"):
            await membership.create_encrypted_room(mia.device, invite=[EVE], name="party")
        mia.restart()  # also before the first sync
    assert asked(await mia.take(sync(ROOM, state=(member(MIA), member(LEO), member(EVE))))) == [EVE]
    assert refused_for(mia) == (EVE,)


async def test_two_rooms_made_at_once_are_two(mia: LoneDevice):
    says(mia, MIA)
    mia.answers["createRoom"] = {"room_id": ROOM}
    made = await asyncio.gather(
        *(membership.create_encrypted_room(mia.device, invite=[who], name="") for who in (LEO, EVE)),
        return_exceptions=True,
    )
    assert made[0] == ROOM
    assert isinstance(made[1], Refused)
    assert mia.device.rooms[ROOM].accepted == {MIA, LEO}


async def test_nobody_is_asked_about_before_the_room_is_entered(mia: LoneDevice):
    """A sync may tell of the room, and of those whom it is about to accept, first."""
    found: list[Any] = []
    asked_in_time = asyncio.Event()

    async def meanwhile(body: Any) -> None:
        found.extend(await mia.take(body))
        asked_in_time.set()

    for enter in ("make", "join"):
        room = {"make": ROOM, "join": OTHER}[enter]
        says(mia, MIA, LEO)
        body = sync(room, member(MIA), member(LEO, "invite" if enter == "make" else "join"), ENCRYPTION)
        asked_in_time.clear()
        original = mia.device.api.post

        async def post(path: str, content: dict[str, Any], body: Any = body, original: Any = original) -> Any:
            if "createRoom" in path or path.endswith("/join"):
                await meanwhile(body)
            return await original(path, content)

        mia.device.api.post = post  # type: ignore[method-assign]
        mia.answers["createRoom"] = {"room_id": room}
        if enter == "make":
            await membership.create_encrypted_room(mia.device, invite=[LEO], name="")
        else:
            await membership.join(mia.device, room)
        mia.device.api.post = original  # type: ignore[method-assign]
        assert asked_in_time.is_set()
        found += await mia.take(sync(room, member(LEO)))
        mia.device.writable_room(room)
    assert found == []


async def test_entering_that_fails_lets_the_question_be_asked(mia: LoneDevice):
    says(mia, MIA, LEO)
    mia.answers["/members"] = httpx.Response(500, json={})
    with pytest.raises(MatrixError):
        await membership.join(mia.device, ROOM)
    assert asked(await mia.take(sync(ROOM, member(MIA), member(LEO), ENCRYPTION))) == [LEO]
    assert refused_for(mia) == (LEO,)


async def test_who_went_and_came_again_within_a_gap_is_asked_about(mia: LoneDevice):
    await joined(mia, MIA, LEO, ZOE)
    back = member(LEO, "join", 2)
    mia.answers["/messages"] = {"chunk": [back, member(LEO, "leave")]}
    gap = sync(ROOM, state=(back, {**member(ZOE, "join", 2), "content": {"membership": "join", "displayname": "Z"}}))
    gap["rooms"]["join"][ROOM]["timeline"] |= {"limited": True, "prev_batch": "p"}
    assert asked(await mia.take(gap)) == [LEO]
    assert refused_for(mia) == (LEO,)
    mia.restart()
    assert asked(await mia.take(sync(ROOM, state=(member(MIA), back, member(ZOE))))) == [LEO]


async def test_who_went_and_came_again_before_this_account_joined_is_not(mia: LoneDevice):
    says(mia, MIA, LEO, ZOE)
    await membership.join(mia.device, ROOM)
    past = [member(LEO, "leave"), member(LEO, "join", 2)]
    mia.answers["/messages"] = {"chunk": list(reversed(past))}
    body = sync(ROOM, member(ZOE, "leave"), member(ZOE), member(MIA), state=past[:1], limited=True, prev_batch="p")
    body["rooms"]["join"][ROOM]["state"]["events"].append(past[1])
    assert await mia.take(body) == []
    mia.device.writable_room(ROOM)
    gap = sync(ROOM, limited=True, prev_batch="p")
    assert asked(await mia.take(gap)) == [LEO]  # from now on it counts


async def test_a_name_may_hold_halves_of_characters(mia: LoneDevice):
    await mia.take(sync(ROOM, {"type": "m.room.name", "state_key": "", "content": {"name": "a\ud800"}}))
    assert mia.device.rooms[ROOM].name == "a?"
