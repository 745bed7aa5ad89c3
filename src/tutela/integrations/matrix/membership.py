"""Making, joining and leaving rooms, so that a room can be written to at once, without waiting for the next sync.

Who may read is settled here, whether the room is encrypted yet or not: in a room that this client makes, those it
invites; in one that it joins, those who are there at that moment. In any other room the user is asked about everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from tutela.integrations.matrix.api import text
from tutela.integrations.matrix.errors import MatrixError, Refused
from tutela.integrations.matrix.own_device import OwnDevice
from tutela.integrations.matrix.rooms import MEGOLM, Room, is_user_id

_STATE: Final = ("m.room.encryption", "m.room.name", "m.room.history_visibility")


async def create_encrypted_room(device: OwnDevice, *, invite: Sequence[str], name: str) -> str:
    """Make a private encrypted room and return its id.

    Raises:
        Refused: the homeserver did not make it, or answers with a room that there was before.
    """
    body: dict[str, Any] = {
        "preset": "private_chat",
        "invite": list(invite),
        "is_direct": len(invite) == 1,
        "initial_state": [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}],
    }
    async with device.entering() as known:
        room_id = text(await device.api.post("createRoom", {**body, "name": name} if name else body), "room_id")
        if room_id in known or not room_id.isprintable():
            # Who is invited into a new room would read in an old one.
            raise Refused("the homeserver made no new room", status=200, errcode="M_ROOM_IN_USE")
        device.accept_readers(device.room(room_id), [device.user_id, *invite])
        await _members(device, room_id)
        await _state(device, room_id)
    return room_id


async def join(device: OwnDevice, room_id: str) -> None:
    """Accept an invitation, or join a room that is open. Where this account is already, nobody is accepted."""
    async with device.entering() as known:
        await device.api.post(f"rooms/{quote(room_id, safe='')}/join", {})
        there = await _members(device, room_id)
        if room_id not in known:
            room = device.room(room_id)
            room.fresh = True
            device.accept_readers(room, there)
        await _state(device, room_id)


async def invite(device: OwnDevice, room_id: str, user_id: str) -> None:
    """Invite somebody, who is thereby accepted."""
    device.accept_readers(device.joined_room(room_id), [user_id])  # first, so that no sync in between asks about them
    await device.api.post(f"rooms/{quote(room_id, safe='')}/invite", {"user_id": user_id})


async def leave(device: OwnDevice, room_id: str, *, forget: bool = False) -> None:
    """Leave a room, or decline an invitation; with `forget`, have the homeserver take it off the account's list."""
    await device.api.post(f"rooms/{quote(room_id, safe='')}/leave", {})
    device.forget_room(room_id)
    if forget:
        await device.api.post(f"rooms/{quote(room_id, safe='')}/forget", {})


async def ignored(device: OwnDevice) -> frozenset[str]:
    """Return whom this account ignores."""
    return frozenset(await _ignored(device))


async def ignore(device: OwnDevice, user_id: str, *, ignored: bool) -> None:
    """Put somebody on the account's list of ignored people, or take them off. The others on it stay."""
    if not is_user_id(user_id) or user_id == device.user_id:
        raise MatrixError(f"{user_id!r} cannot be ignored", hint="Name another whole account.")
    before = await _ignored(device)
    after = {name: value for name, value in before.items() if name != user_id} | ({user_id: {}} if ignored else {})
    if after.keys() != before.keys():
        await device.api.put(_ignore_list(device), {"ignored_users": after})


async def _ignored(device: OwnDevice) -> dict[str, Any]:
    try:
        listed = (await device.api.get(_ignore_list(device))).get("ignored_users")
    except Refused as refused:
        if refused.status != 404:
            raise
        return {}
    return listed if isinstance(listed, dict) else {}


def _ignore_list(device: OwnDevice) -> str:
    return f"user/{quote(device.user_id, safe='')}/account_data/m.ignored_user_list"


async def _members(device: OwnDevice, room_id: str) -> set[str]:
    """Take in and return who is there now, joined or invited."""
    listed = (await device.api.get(f"rooms/{quote(room_id, safe='')}/members")).get("chunk")
    room, there = device.room(room_id), Room(room_id)
    for event in listed if isinstance(listed, list) else ():
        room.apply(event)
        there.apply(event)
    return there.joined | there.invited


async def _state(device: OwnDevice, room_id: str) -> None:
    for kind in _STATE:
        try:
            content = await device.api.get(f"rooms/{quote(room_id, safe='')}/state/{kind}/")
        except Refused as refused:
            if refused.status != 404:  # a room need not have each of them
                raise
        else:
            device.room(room_id).apply({"type": kind, "state_key": "", "content": content})
    device.remember_rooms()
