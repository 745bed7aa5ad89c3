"""Making, joining and leaving rooms, so that a room can be written to at once, without waiting for the next sync."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from tutela.integrations.matrix.api import text
from tutela.integrations.matrix.errors import Refused
from tutela.integrations.matrix.own_device import OwnDevice
from tutela.integrations.matrix.rooms import MEGOLM

_STATE: Final = ("m.room.encryption", "m.room.name", "m.room.history_visibility")


async def create_encrypted_room(device: OwnDevice, *, invite: Sequence[str], name: str) -> str:
    """Make a private encrypted room and return its id."""
    body: dict[str, Any] = {
        "preset": "private_chat",
        "invite": list(invite),
        "is_direct": len(invite) == 1,
        "initial_state": [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}],
    }
    room_id = text(await device.api.post("createRoom", {**body, "name": name} if name else body), "room_id")
    room = device.room(room_id)
    room.accepted = set()  # not whoever a sync has shown there meanwhile
    device.accept_readers(room, [device.user_id, *invite])
    await _fetch(device, room_id)
    return room_id


async def join(device: OwnDevice, room_id: str) -> None:
    """Accept an invitation, or join a room that is open."""
    await device.api.post(f"rooms/{quote(room_id, safe='')}/join", {})
    await _fetch(device, room_id)


async def invite(device: OwnDevice, room_id: str, user_id: str) -> None:
    """Invite somebody, who is thereby accepted."""
    device.accept_readers(device.joined_room(room_id), [user_id])  # first, so that no sync in between asks about them
    await device.api.post(f"rooms/{quote(room_id, safe='')}/invite", {"user_id": user_id})


async def leave(device: OwnDevice, room_id: str) -> None:
    """Leave a room, or decline an invitation."""
    await device.api.post(f"rooms/{quote(room_id, safe='')}/leave", {})
    device.forget_room(room_id)


async def _fetch(device: OwnDevice, room_id: str) -> None:
    path = f"rooms/{quote(room_id, safe='')}"
    members = (await device.api.get(f"{path}/members")).get("chunk")
    room = device.room(room_id)
    for event in members if isinstance(members, list) else ():
        room.apply(event)
    for kind in _STATE:
        with contextlib.suppress(Refused):  # a room need not have each of them
            content = await device.api.get(f"{path}/state/{kind}/")
            room.apply({"type": kind, "state_key": "", "content": content})
    device.remember_rooms()
