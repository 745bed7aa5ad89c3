"""From a sync answer to the timeline: decrypted, its senders judged, its pictures checked.

Nothing that other people or the homeserver send makes this raise: what cannot be read becomes an
`UnreadableMessage`, what is no message at all is passed over.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from tutela.errors import TutelaError
from tutela.integrations.matrix import media
from tutela.integrations.matrix.api import token
from tutela.integrations.matrix.conversing import Conversing
from tutela.integrations.matrix.cross_signing import fingerprint
from tutela.integrations.matrix.errors import (
    MalformedMedia,
    MatrixError,
    MediaHashMismatch,
    OversizedMedia,
    Refused,
    UndecryptableEvent,
)
from tutela.integrations.matrix.franking import check
from tutela.integrations.matrix.guarding import GuardLike
from tutela.integrations.matrix.identities import SenderTrust, Standing
from tutela.integrations.matrix.machine import ONE_TIME_KEY, Decrypted
from tutela.integrations.matrix.own_device import Change, OwnDevice
from tutela.integrations.matrix.rooms import read_invitation
from tutela.integrations.matrix.signed_json import at, whole
from tutela.integrations.matrix.speaking import Speaker
from tutela.integrations.matrix.timeline import (
    Invitation,
    Message,
    Notice,
    NoticeKind,
    PictureMessage,
    Problem,
    TextMessage,
    TimelineEvent,
    UnreadableMessage,
)
from tutela.wire.manifest import Action
from tutela.wire.report import MessageEvidence

log = logging.getLogger("tutela.matrix")

#: Messages asked for at once to close a gap, and pages fetched at most.
PAGE: Final = 100
#: The year 3000, in milliseconds.
_LAST_TIME: Final = 32_503_680_000_000
_PAGES: Final = 10
#: Messages kept that wait for their keys.
_WAITING: Final = 1000
#: Own messages whose evidence is kept.
_ECHOES: Final = 1000
#: Messages of the service that are known again.
_SAID: Final = 1000
_TEXT_TYPES: Final = ("m.text", "m.notice", "m.emote")


class Receiver:
    """Turns sync answers into timeline events, in order."""

    def __init__(
        self,
        device: OwnDevice,
        guard: GuardLike,
        *,
        media_limit: int,
        speaker: Speaker | None = None,
        conversing: Conversing | None = None,
    ) -> None:
        """`speaker` is who speaks for the service, `conversing` reads what people write; both may be absent."""
        self._device = device
        self._speaker = speaker
        self._conversing = conversing
        self._said: dict[str, None] = {}
        self._guard = guard
        self._media_limit = media_limit
        self._waiting: dict[str, tuple[str, dict[str, Any]]] = {}
        self._sent: set[str] = set()
        self._echoes: dict[str, MessageEvidence] = {}
        self._sought: set[tuple[str, str]] = set()

    def sent(self, transaction: str) -> None:
        """The application has been shown this message already; its echo is to be passed over."""
        self._sent.add(transaction)

    def evidence(self, message: Message) -> MessageEvidence | None:
        """Return what reporting a message would take; see `GuardedClient.evidence`."""
        return message.evidence or self._echoes.get(message.event_id)

    def notices(self) -> list[Notice]:
        """Return what is to be told, once: whose keys changed, in every room shared with them, who has come, a loss."""
        told = [notice for change in self._device.take_changes() for notice in self._notices(change)]
        told += [_notice(*arrival, NoticeKind.SOMEBODY_JOINED) for arrival in self._device.take_arrivals()]
        rooms = [room.room_id for room in self._device.rooms.values() if room.encrypted]
        if self._device.record_lost and rooms:
            told += [_notice(room_id, self._device.user_id, NoticeKind.RECORD_LOST) for room_id in rooms]
            self._device.record_lost = False
        return told

    async def take(self, body: Mapping[str, Any], since: str | None) -> AsyncIterator[TimelineEvent]:
        """Take in one sync answer and give what the application is to be shown.

        Raises:
            MatrixError: the homeserver failed while keys were fetched; the same answer can be taken in again.
        """
        device = self._device
        self._absorb(body)
        await device.upload_keys()
        await device.look_up()
        await device.heal()
        for notice in self.notices():
            yield notice
        for room_id, invite in _items(at(body, "rooms", "invite")):
            state = _list(at(invite, "invite_state", "events"))
            invited = read_invitation(room_id, device.user_id, state)
            speaker = self._speaker
            if speaker and speaker.invites(room_id, invited.inviter, state) and await self._listens(room_id):
                continue
            yield Invitation(
                room_id=room_id, event_id="", sender=whole(invited.inviter), sent_at=0, name=whole(invited.name)
            )
        for room_id, joined in _items(at(body, "rooms", "join")):
            timeline = at(joined, "timeline")
            if since is not None and at(timeline, "limited") is True:
                async for event in self._gap(room_id, at(timeline, "prev_batch"), since):
                    yield event
            if room_id in device.rooms:
                device.rooms[room_id].fresh = False
            for raw in _list(at(timeline, "events")):
                async for event in self._event(room_id, raw):
                    yield event
        async for event in self._keys_arrived():
            yield event

    def _absorb(self, body: Mapping[str, Any]) -> None:
        device = self._device
        counts = at(body, "device_one_time_keys_count")
        if isinstance(counts, dict):
            count, unused = counts.get(ONE_TIME_KEY, 0), at(body, "device_unused_fallback_key_types")
            device.machine.note_counts(
                count if isinstance(count, int) else 0, unused_fallback_key=ONE_TIME_KEY in _list(unused)
            )
        device.machine.receive(_list(at(body, "to_device", "events")))
        for room_id, left in _items(at(body, "rooms", "leave")):
            device.rooms.pop(room_id, None)
            if self._conversing and self._left_by_choice(left):
                self._conversing.forget(room_id)
        for room_id, joined in _items(at(body, "rooms", "join")):
            room = device.room(room_id)
            accepted = set(room.accepted)
            for raw in _list(at(joined, "state", "events")) + _list(at(joined, "timeline", "events")):
                room.apply(raw)
            if room.fresh:
                room.accepted = accepted & (room.joined | room.invited)
        device.remember_rooms()
        lists = at(body, "device_lists")
        device.devices_changed(*(filter(_is_text, _list(at(lists, name))) for name in ("changed", "left")))

    def _left_by_choice(self, left: Any) -> bool:
        """Whether this account left by itself, on another device: who is put out keeps what the guard knows."""
        own = self._device.user_id
        events = _list(at(left, "state", "events")) + _list(at(left, "timeline", "events"))
        gone = [e for e in events if at(e, "type") == "m.room.member" and at(e, "state_key") == own]
        return bool(gone) and at(gone[-1], "sender") == own and at(gone[-1], "content", "membership") == "leave"

    async def _gap(self, room_id: str, before: object, since: str) -> AsyncIterator[TimelineEvent]:
        """Fetch the messages between `since` and the start of the timeline, oldest first."""
        raws: list[Any] = []
        place = token(before)
        for _ in range(_PAGES):
            if place is None:
                break
            params = {"dir": "b", "from": place, "to": since, "limit": str(PAGE)}
            page = await self._device.api.get(f"rooms/{quote(room_id, safe='')}/messages", params=params)
            raws += _list(page.get("chunk"))
            place = token(page.get("end")) if page.get("chunk") else None
        if place is not None or not token(before):
            yield _notice(room_id, self._device.user_id, NoticeKind.MESSAGES_SKIPPED)
        room = self._device.rooms.get(room_id)
        if room and not room.fresh:
            for raw in raws:
                room.apply_past(raw)
            self._device.remember_rooms()
        for notice in self.notices():
            yield notice
        for raw in reversed(raws):
            async for event in self._event(room_id, raw):
                yield event

    async def _keys_arrived(self) -> AsyncIterator[TimelineEvent]:
        for event_id, (room_id, raw) in list(self._waiting.items()):
            if self._device.machine.has_session(room_id, at(raw, "content", "session_id")):
                del self._waiting[event_id]
                async for event in self._event(room_id, raw):
                    yield event

    async def _event(self, room_id: str, raw: Any) -> AsyncIterator[TimelineEvent]:
        head = _head(room_id, raw)
        kind = at(raw, "type")
        if head is None or kind not in ("m.room.encrypted", "m.room.message", "m.sticker"):
            return
        if at(raw, "unsigned", "redacted_because"):
            return
        transaction = at(raw, "unsigned", "transaction_id")
        if _is_text(transaction) and transaction in self._sent:
            self._echoed(head, raw)
            return
        own = head["sender"] == self._device.user_id
        unverified = {**head, "own": own, "trust": SenderTrust.UNKNOWN}
        if kind != "m.room.encrypted":
            room = self._device.rooms.get(room_id)
            said = self._speaker.message(room, head, raw) if self._speaker and room else None
            if said is not None:
                if self._is_new(said.event_id):
                    yield said
                return
            yield UnreadableMessage(**unverified, problem=Problem.NOT_ENCRYPTED)
            return
        try:
            opened = self._device.machine.decrypt(room_id, raw)
        except UndecryptableEvent as error:
            if error.missing_key:
                self._wait(head["event_id"], room_id, raw)
            yield UnreadableMessage(
                **unverified, problem=Problem.NO_KEY if error.missing_key else Problem.UNDECRYPTABLE
            )
            return
        trust = await self._trust(head["sender"], opened.curve25519, opened.ed25519)
        if trust is None:
            yield UnreadableMessage(**unverified, problem=Problem.FORGED)
            return
        try:
            self._check_new(opened, head, trust)
        except UndecryptableEvent:
            yield UnreadableMessage(**unverified, problem=Problem.UNDECRYPTABLE)
            return
        franked = check(raw, **head, event_type=opened.type, content=opened.content)
        common = {**head, "own": own, "trust": trust, "franking": franked.franking, "evidence": franked.evidence}
        if opened.type == "m.sticker":
            yield UnreadableMessage(**common, problem=Problem.UNSUPPORTED)
        elif opened.type == "m.room.message":
            yield await self._message(common, opened.content)
            room = self._device.rooms.get(room_id)
            if self._conversing and room:
                advice = self._conversing.read(room, head, trust, raw, opened.content)
                if advice is not None:
                    yield advice

    async def _listens(self, room_id: str) -> bool:
        """Join the room in which the service speaks. Nobody is thereby accepted as a reader, should it be encrypted."""
        try:
            await self._device.api.post(f"rooms/{quote(room_id, safe='')}/join", {})
        except Refused as refused:
            log.warning("an invitation of the service cannot be accepted: %s", refused)
            return False
        return True

    def _is_new(self, event_id: str) -> bool:
        """Whether the service has not said this before, since the client was opened."""
        new = event_id not in self._said
        self._said[event_id] = None
        while len(self._said) > _SAID:
            del self._said[next(iter(self._said))]
        return new

    def _check_new(self, opened: Decrypted, head: dict[str, Any], trust: SenderTrust) -> None:
        # Only now: a copy that somebody passes off as another's must not make the true one a replay.
        established = trust is not SenderTrust.UNKNOWN
        self._device.machine.check_new(opened, head["sender"], head["event_id"], established=established)

    def _echoed(self, head: dict[str, Any], raw: Any) -> None:
        """Keep what the homeserver adds to a message of this device: its time and its stamp."""
        try:
            opened = self._device.machine.decrypt(head["room_id"], raw)
        except UndecryptableEvent:
            return
        if self._device.sender(head["sender"], opened.curve25519, opened.ed25519) is not SenderTrust.VERIFIED:
            return
        try:
            self._check_new(opened, head, SenderTrust.VERIFIED)
        except UndecryptableEvent:
            return
        evidence = check(raw, **head, event_type=opened.type, content=opened.content).evidence
        if evidence is not None:
            self._echoes[evidence.event_id] = evidence
        while len(self._echoes) > _ECHOES:
            del self._echoes[next(iter(self._echoes))]

    async def _message(self, common: dict[str, Any], content: Mapping[str, Any]) -> TimelineEvent:
        kind, text = content.get("msgtype"), content.get("body")
        if not isinstance(kind, str) or not isinstance(text, str):
            return UnreadableMessage(**common, problem=Problem.MALFORMED)
        if kind in _TEXT_TYPES:
            return TextMessage(**common, text=whole(text))
        if kind != "m.image":
            return UnreadableMessage(**common, problem=Problem.UNSUPPORTED)
        try:
            data = await self.file(content.get("file"))
            verdict = await self._guard.check_incoming(data)
        except MalformedMedia:
            return UnreadableMessage(**common, problem=Problem.MALFORMED)
        except OversizedMedia:
            return UnreadableMessage(**common, problem=Problem.OVERSIZED)
        except MediaHashMismatch:
            return UnreadableMessage(**common, problem=Problem.ALTERED)
        except MatrixError:
            return UnreadableMessage(**common, problem=Problem.UNAVAILABLE)
        except TutelaError as error:
            log.warning("a picture could not be checked: %s", error.code)
            return UnreadableMessage(**common, problem=Problem.CHECK_FAILED)
        held = None if verdict.action is Action.STOP else data
        filename = content.get("filename")
        return PictureMessage(
            **common, filename=whole(filename if isinstance(filename, str) else text), data=held, verdict=verdict
        )

    async def file(self, description: object) -> bytes:
        """Fetch the file that a message describes, and decrypt it; for errors see `GuardedClient.attachment`."""
        file = media.read_file(description)
        ciphertext = await self._device.api.download(file.server, file.media_id, limit=self._media_limit)
        return media.decrypt(file, ciphertext)

    async def _trust(self, sender: str, curve25519: str, ed25519: str) -> SenderTrust | None:
        trust = self._device.sender(sender, curve25519, ed25519)
        if trust is SenderTrust.UNKNOWN and (sender, curve25519) not in self._sought:
            # Perhaps the device is so new that its listing has not been fetched: look once.
            self._sought.add((sender, curve25519))
            try:
                await self._device.look_up({sender})
            except MatrixError:
                return trust
            trust = self._device.sender(sender, curve25519, ed25519)
        return trust

    def _wait(self, event_id: str, room_id: str, raw: dict[str, Any]) -> None:
        self._waiting[event_id] = (room_id, raw)
        while len(self._waiting) > _WAITING:
            del self._waiting[next(iter(self._waiting))]

    def _notices(self, change: Change) -> list[Notice]:
        user_id, device = change.user_id, self._device
        rooms = [room.room_id for room in device.rooms.values() if room.encrypted and user_id in room.readers]
        notices: list[Notice] = []
        if change.standing is Standing.CHANGED:
            kind = NoticeKind.OWN_IDENTITY_CHANGED if user_id == device.user_id else NoticeKind.IDENTITY_CHANGED
            master = device.directory.published(user_id)
            shown = fingerprint(master) if master else ""
            notices += [_notice(room_id, user_id, kind, fingerprint=shown) for room_id in rooms]
        elif change.left_out:
            left_out = tuple(sorted(change.left_out))
            notices += [_notice(room_id, user_id, NoticeKind.DEVICES_LEFT_OUT, devices=left_out) for room_id in rooms]
        return notices


def _head(room_id: str, raw: Any) -> dict[str, Any] | None:
    event_id, sender, sent_at = (at(raw, name) for name in ("event_id", "sender", "origin_server_ts"))
    if not isinstance(event_id, str) or not isinstance(sender, str):
        return None
    return {
        "room_id": room_id,
        "event_id": whole(event_id),
        "sender": whole(sender),
        # The sender's homeserver says it, so it may be any number; what no calendar holds counts as unknown.
        "sent_at": sent_at if type(sent_at) is int and 0 <= sent_at < _LAST_TIME else 0,
    }


def _notice(
    room_id: str, user_id: str, kind: NoticeKind, *, devices: tuple[str, ...] = (), fingerprint: str = ""
) -> Notice:
    return Notice(
        room_id=room_id, event_id="", sender=user_id, sent_at=0, kind=kind, devices=devices, fingerprint=fingerprint
    )


def _items(value: object) -> list[tuple[str, Any]]:
    return [(key, item) for key, item in value.items() if key.isprintable()] if isinstance(value, dict) else []


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_text(value: object) -> bool:
    return isinstance(value, str)
