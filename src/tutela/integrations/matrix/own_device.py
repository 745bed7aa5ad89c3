"""This device: its keys at the homeserver, the rooms it is in, whom it trusts, and how it sends.

`machine` encrypts, `identities` judges, `api` carries; here the three are joined, and here are the two rules. Nothing
is encrypted for a device that its owner's pinned identity does not vouch for, and nothing at all while somebody would
read whom this account's user has not accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from tutela.integrations.matrix.api import MatrixApi
from tutela.integrations.matrix.cross_signing import DeviceKeys
from tutela.integrations.matrix.errors import IdentityChanged, RoomNotEncrypted, SomebodyJoined, UnknownRoom
from tutela.integrations.matrix.identities import Directory, SenderTrust, Standing, read_listing
from tutela.integrations.matrix.key_store import KeyStore
from tutela.integrations.matrix.machine import ONE_TIME_KEY, Machine
from tutela.integrations.matrix.rooms import MEGOLM, Room
from tutela.integrations.matrix.signed_json import at

#: Devices in one to-device request.
_DEVICES_AT_ONCE: Final = 50
_HEAL_SECONDS: Final = 3600.0


@dataclass(frozen=True)
class Change:
    """What a look at somebody's keys brought: their standing, and devices newly found that are left out."""

    user_id: str
    standing: Standing
    left_out: frozenset[str]


class OwnDevice:
    """A signed-in device. Made by `signing_in`."""

    def __init__(self, api: MatrixApi, machine: Machine, store: KeyStore, *, record_lost: bool = False) -> None:
        """`record_lost`: the record of seen messages was there before and is not any more, to be told to the user."""
        self.record_lost = record_lost
        self.api = api
        self.machine = machine
        self.store = store
        self.user_id = machine.user_id
        self.device_id = machine.device_id
        self.directory = Directory(pins=dict(store.state.pins))
        self.rooms: dict[str, Room] = {}
        self._stale = {self.user_id}
        self._changes: list[Change] = []
        self._told: dict[str, tuple[Standing, str | None]] = {}
        self._told_of: set[tuple[str, str]] = set()
        self._healed: dict[str, float] = {}
        self._known_failing: dict[str, frozenset[str]] = {}
        self._looking = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._entering = asyncio.Lock()
        self._known_before: frozenset[str] | None = None

    # Taking in a sync answer

    def room(self, room_id: str) -> Room:
        """Return the room, made if it is new; a room once seen encrypted is so from the start, with its readers."""
        state = self.store.state
        accepted = set(state.accepted_readers.get(room_id, ()))
        room = Room(room_id, encrypted=room_id in state.encrypted_rooms, accepted=accepted)
        return self.rooms.setdefault(room_id, room)

    @contextlib.asynccontextmanager
    async def entering(self) -> AsyncIterator[frozenset[str]]:
        """Make or join one room at a time; gives the ids of the rooms that were known before.

        Until it is done nobody is asked about in a room that a sync shows meanwhile: it may be the one.
        """
        async with self._entering:
            state = self.store.state
            self._known_before = frozenset(self.rooms) | state.accepted_readers.keys() | state.encrypted_rooms
            try:
                yield self._known_before
            finally:
                self._known_before = None

    def remember_rooms(self) -> None:
        """Keep on disk which rooms are encrypted, and whom the user accepts in them and in those entered here."""
        state = self.store.state
        kept = [room for room in self.rooms.values() if room.encrypted or room.room_id in state.accepted_readers]
        for room in kept:
            # A record of before there was this rule: whoever is there is accepted, this once.
            if room.room_id in state.encrypted_rooms and room.room_id not in state.accepted_readers:
                room.accepted = room.joined | room.invited
        self.store.update(
            encrypted_rooms=state.encrypted_rooms | {room.room_id for room in kept if room.encrypted},
            accepted_readers=state.accepted_readers | {room.room_id: frozenset(room.accepted) for room in kept},
        )

    def accept_readers(self, room: Room, users: Iterable[str]) -> None:
        """Let `users` read in a room from now on, also if they are yet to come, or it is yet to be encrypted."""
        room.accepted |= set(users)
        accepted = self.store.state.accepted_readers
        self.store.update(accepted_readers=accepted | {room.room_id: frozenset(room.accepted)})

    def forget_room(self, room_id: str) -> None:
        """This account has left: whoever is there when it joins again is accepted anew."""
        self.rooms.pop(room_id, None)
        state = self.store.state
        self.store.update(
            encrypted_rooms=state.encrypted_rooms - {room_id},
            accepted_readers={room: users for room, users in state.accepted_readers.items() if room != room_id},
        )

    def devices_changed(self, changed: Iterable[str], left: Iterable[str]) -> None:
        """Take in whose keys changed, and with whom no room is shared any more."""
        self._stale.update(changed)
        for user_id in left:
            self._stale.discard(user_id)
            self.directory.listings.pop(user_id, None)

    async def upload_keys(self) -> None:
        """Upload what the homeserver lacks of this device's keys.

        Raises:
            MatrixError: any status other than 200.
        """
        body = self.machine.keys_upload()
        if body is not None:
            answer = await self.api.post("keys/upload", body)
            count = at(answer, "one_time_key_counts", ONE_TIME_KEY)
            self.machine.keys_uploaded(count if isinstance(count, int) else 0)

    async def heal(self) -> None:
        """Start new Olm sessions with devices whose messages could not be decrypted, at most hourly with each.

        Raises:
            MatrixError: the homeserver did not answer; the next failure tries again.
        """
        now = asyncio.get_running_loop().time()
        for user_id, curve25519 in self.machine.take_wedged():
            broken = [device for device in self.directory.passing(user_id) if device.curve25519 == curve25519]
            if not broken or now - self._healed.get(curve25519, -_HEAL_SECONDS) < _HEAL_SECONDS:
                continue
            self._healed[curve25519] = now
            device = broken[0]
            wanted = {user_id: {device.device_id: ONE_TIME_KEY}}
            claimed = await self.api.post("keys/claim", {"one_time_keys": wanted})
            if self.machine.start_olm_sessions([device], claimed.get("one_time_keys")):
                messages = {user_id: {device.device_id: self.machine.dummy_message(device)}}
                await self.api.put(f"sendToDevice/m.room.encrypted/{uuid4()}", {"messages": messages})

    # Whom to trust

    async def look_up(self, users: Iterable[str] = ()) -> None:
        """Fetch the keys of `users`, of those whose keys changed, and of new people in encrypted rooms.

        What is new lies in `take_changes` afterwards.

        Raises:
            MatrixError: the homeserver does not answer; what was to be looked up stays due.
        """
        async with self._looking:
            readers = {user for room in self.rooms.values() if room.encrypted for user in room.readers}
            shared = readers | {self.user_id}
            due = {user for user in self._stale if user in shared} | (shared - self.directory.listings.keys())
            due |= set(users)
            if not due:
                return
            self._stale -= due
            try:
                answer = await self.api.post("keys/query", {"device_keys": {user: [] for user in sorted(due)}})
            except BaseException:
                self._stale |= due
                raise
            listed = answer.get("device_keys")
            for user in sorted(due):
                if isinstance(listed, dict) and user in listed:
                    self._learn(user, answer)
            self.store.update(pins=dict(self.directory.pins))

    def strangers(self, room: Room) -> tuple[str, ...]:
        """Those who would read in `room` and whom the user has not accepted, sorted."""
        return tuple(sorted(room.strangers - {self.user_id}))

    def take_arrivals(self) -> list[tuple[str, str]]:
        """Return the room and the name of each stranger that is new since the last call."""
        rooms = [room for room in self.rooms.values() if room.encrypted]
        if self._known_before is not None:
            rooms = [room for room in rooms if room.room_id in self._known_before]
        there = {(room.room_id, user) for room in rooms for user in self.strangers(room)}
        new, self._told_of = there - self._told_of, there
        return sorted(new)

    def take_changes(self) -> list[Change]:
        """Return what `look_up` has found since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def sender(self, user_id: str, curve25519: str, ed25519: str) -> SenderTrust | None:
        """Say what is known of the device that sent a message as `user_id`; `None`: it is forged."""
        if (user_id, curve25519, ed25519) == (self.user_id, self.machine.curve25519, self.machine.ed25519):
            return SenderTrust.VERIFIED
        return self.directory.sender(user_id, curve25519, ed25519)

    def _learn(self, user_id: str, answer: Mapping[str, Any]) -> None:
        standing = self.directory.learn(read_listing(user_id, answer))
        failing = self.directory.failing(user_id) - ({self.device_id} if user_id == self.user_id else set())
        left_out = failing - self._known_failing.get(user_id, frozenset())
        self._known_failing[user_id] = failing
        news = (standing, self.directory.published(user_id))
        if left_out or (standing is Standing.CHANGED and self._told.get(user_id) != news):
            self._changes.append(Change(user_id, standing, left_out))
        self._told[user_id] = news

    # Sending

    def joined_room(self, room_id: str) -> Room:
        """Return a room that this account is in.

        Raises:
            UnknownRoom: it is not, as far as is known here.
        """
        room = self.rooms.get(room_id)
        if room is None:
            raise UnknownRoom(f"this account is not in the room {room_id}", hint="Join it, and synchronise once.")
        return room

    def writable_room(self, room_id: str) -> Room:
        """Return a room in which this client may write now.

        Raises:
            UnknownRoom, RoomNotEncrypted: it may not write there.
            IdentityChanged: not before the user has accepted somebody's new identity.
            SomebodyJoined: not before the user has accepted who has come.
        """
        room = self.joined_room(room_id)
        if not room.encrypted or room.algorithm != MEGOLM:
            raise RoomNotEncrypted(f"the room {room_id} is not end-to-end encrypted in a way that this client knows")
        changed = self.directory.changed(room.readers | {self.user_id})
        if self.user_id in changed:
            raise IdentityChanged(
                "this account's keys were replaced",
                users=changed,
                hint="If it was another device of yours, import its identity; if not, change the password and replace.",
            )
        if changed:
            raise IdentityChanged(
                f"the keys of {', '.join(changed)} have changed",
                users=changed,
                hint="Ask them in another way, then accept the new identity.",
            )
        strangers = self.strangers(room)
        if strangers:
            raise SomebodyJoined(
                f"{', '.join(strangers)} would read what is sent to the room {room_id}",
                users=strangers,
                hint="Accept them if you know why they are there, or leave the room.",
            )
        return room

    async def send(self, room_id: str, event_type: str, content: Mapping[str, Any], transaction: str) -> str:
        """Encrypt an event for the devices that pass, send it, and return its id.

        Raises:
            UnknownRoom, RoomNotEncrypted, IdentityChanged, SomebodyJoined: nothing was sent, see `writable_room`.
            MatrixError: the homeserver did not take it.
        """
        async with self._sending:
            self.writable_room(room_id)
            await self.look_up()
            room = self.writable_room(room_id)
            devices = [device for user in sorted(room.readers) for device in self._recipients(user)]
            await self._share_room_key(room_id, devices)
            encrypted = self.machine.encrypt(room_id, event_type, content)
        path = f"rooms/{quote(room_id, safe='')}/send/m.room.encrypted/{quote(transaction, safe='')}"
        return str((await self.api.put(path, encrypted)).get("event_id"))

    def _recipients(self, user_id: str) -> Iterator[DeviceKeys]:
        for device in self.directory.passing(user_id):
            if (user_id, device.device_id) != (self.user_id, self.device_id):
                yield device

    async def _share_room_key(self, room_id: str, devices: Collection[DeviceKeys]) -> None:
        wanted = self.machine.missing_olm_sessions(devices)
        if wanted:
            claimed = await self.api.post("keys/claim", {"one_time_keys": wanted})
            new = [device for device in devices if device.device_id in wanted.get(device.user_id, {})]
            self.machine.start_olm_sessions(new, claimed.get("one_time_keys"))
        messages = self.machine.room_key_messages(room_id, devices)
        for some in _chunks(messages):
            await self.api.put(f"sendToDevice/m.room.encrypted/{uuid4()}", {"messages": some})
            self.machine.room_key_sent(room_id, devices, some)
        self.machine.room_key_sent(room_id, devices, {})


def _chunks(messages: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    some: dict[str, dict[str, Any]] = {}
    count = 0
    for user_id, by_device in messages.items():
        for device_id, content in by_device.items():
            some.setdefault(user_id, {})[device_id] = content
            count += 1
            if count % _DEVICES_AT_ONCE == 0:
                yield some
                some = {}
    if some:
        yield some
