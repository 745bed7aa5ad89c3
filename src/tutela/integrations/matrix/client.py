"""The guarded client: what a chat or a demo uses of Matrix, and nothing else.

Every picture is checked before it is encrypted and after it is decrypted. The client writes to encrypted rooms only,
only for devices that their owners' pinned identities vouch for, and only where its user has accepted all who read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from tutela.device.conversation import ConversationGuard
from tutela.device.guard import Guard
from tutela.device.profile import Profile
from tutela.device.reports import Reports
from tutela.device.verdict import Verdict
from tutela.integrations.matrix import key_store, media, membership
from tutela.integrations.matrix.api import MatrixApi
from tutela.integrations.matrix.conversing import Conversing
from tutela.integrations.matrix.cross_signing import fingerprint
from tutela.integrations.matrix.errors import (
    IdentityChanged,
    IdentityElsewhere,
    MatrixError,
    OversizedMedia,
    PausedBeforeSending,
)
from tutela.integrations.matrix.franking import Franking
from tutela.integrations.matrix.guarding import GuardLike, question
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.own_device import OwnDevice
from tutela.integrations.matrix.receiving import Receiver
from tutela.integrations.matrix.rooms import Room
from tutela.integrations.matrix.signed_json import at, whole
from tutela.integrations.matrix.signing_in import establish_identity, openid_token, sign_in
from tutela.integrations.matrix.speaking import Speaker
from tutela.integrations.matrix.syncing import Syncing
from tutela.integrations.matrix.timeline import Message, PictureMessage, TextMessage, TimelineEvent
from tutela.signals.conversation.conversation import Reader
from tutela.signals.image import sniff, strip_trailing
from tutela.wire.manifest import Action, TrustRoot
from tutela.wire.report import MessageEvidence
from tutela.wire.session import SignIn

log = logging.getLogger("tutela.matrix")


@dataclass(frozen=True)
class Sent:
    """The picture is on its way, encrypted."""

    event_id: str
    verdict: Verdict


@dataclass(frozen=True)
class Held:
    """Nothing left the device. Where the verdict's action is *warn*, the user may confirm."""

    verdict: Verdict


@dataclass(frozen=True)
class HandedOver:
    """An account's identity as another device exported it, and the 32-byte key that both know."""

    sealed: bytes
    key: bytes


class GuardedClient:
    """A Matrix account on this device. Get one with `login` or `resume`, and close it.

    `run` keeps it up to date; what happens comes out of `events`. Calls may be made while it runs.
    """

    def __init__(
        self,
        device: OwnDevice,
        profile: Profile,
        guard: GuardLike,
        *,
        media_limit: int,
        speaker: Speaker | None = None,
        conversations: ConversationGuard | None = None,
    ) -> None:
        """Prefer `login` or `resume`. The client owns what it is given, and closes it."""
        self._device = device
        self._profile = profile
        self._guard = guard
        self._media_limit = media_limit
        self._conversing = Conversing(conversations, device.user_id) if conversations else None
        self._receiver = Receiver(device, guard, media_limit=media_limit, speaker=speaker, conversing=self._conversing)
        self._events: asyncio.Queue[TimelineEvent | None] = asyncio.Queue()
        self._syncing = Syncing(device, self._receiver, self._events)

    @classmethod
    async def login(
        cls,
        homeserver: str,
        user: str,
        password: str | None,
        *,
        profile: Path,
        key: bytes,
        guard: GuardLike | None = None,
        guard_provider: str | None = None,
        trust_root: TrustRoot | None = None,
        identity: HandedOver | None = None,
        replace_identity: bool = False,
        service: str | None = None,
        conversations: Callable[[], Reader] | None = None,
        device_name: str = "Tutela",
        media_limit: int = media.MEDIA_BYTES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> Self:
        """Sign in, or go on with the profile's session, and let the account's identity vouch for this device.

        Args:
            homeserver: its address, such as `https://matrix.example`.
            user: the account's name, whole or only its first part.
            password: `None` goes on with the profile's session, or fails.
            profile: the folder to keep things in.
            key: the profile's key, 32 bytes; the client keeps it where the device keeps secrets.
            guard: who checks pictures; if absent, a `tutela.device.Guard` is opened in the profile.
            guard_provider: the address of that guard's provider.
            trust_root: whose signatures that guard accepts.
            identity: the account's identity, from `export_identity` on another of its devices.
            replace_identity: make a new identity if the account has one that is not here. Everybody will be told.
            service: the account that speaks for the service, whole, from configuration and not from the homeserver.
                What it says in a private room of its own with this account comes as a `ServiceMessage`.
            conversations: loads what the conversation guard reads with, such as `tutela.device.conversation`'s
                `shipped_reader`; it is called in a thread meanwhile. `None` is a client without that guard.
            device_name: how the device is listed.
            media_limit: the largest attachment sent or received, in bytes.
            transport: for tests, an HTTP transport in place of the network.

        Raises:
            WrongPassword, SignedOut, OtherAccount: this account cannot be had here in this way.
            IdentityElsewhere: the account has an identity that is not here; hand it over or replace it.
            UnreadableIdentity: the identity handed over cannot be opened.
            DeviceError: the profile cannot be opened, or the address is none to which a password may go.
            Unreachable, Refused: the homeserver's answers.
        """
        imported = key_store.import_identity(identity.sealed, identity.key) if identity else None
        async with contextlib.AsyncExitStack() as undo:
            loading = asyncio.create_task(asyncio.to_thread(_loaded, conversations)) if conversations else None
            if loading is not None:
                undo.callback(loading.cancel)
            opened = undo.enter_context(contextlib.closing(Profile(profile / "matrix", key)))
            api = MatrixApi(homeserver, transport=transport)
            undo.push_async_callback(api.close)
            device = await sign_in(api, opened, user=user, password=password, device_name=device_name)
            undo.callback(device.machine.close)
            speaker = Speaker(service, device.user_id) if service is not None else None
            await cls._establish(device, password=password, imported=imported, replace=replace_identity)
            reader = await loading if loading is not None else None
            if guard is None:
                guard = await cls._open_guard(profile / "guard", key, guard_provider, trust_root, device)
            undo.pop_all()
        listening = _conversation_guard(opened, reader, guard) if reader is not None else None
        return cls(device, opened, guard, media_limit=media_limit, speaker=speaker, conversations=listening)

    # Tests override this to see what happens to a device for which nobody vouches.
    _establish: Callable[..., Awaitable[None]] = staticmethod(establish_identity)

    @staticmethod
    async def _open_guard(
        folder: Path, key: bytes, provider: str | None, trust_root: TrustRoot | None, device: OwnDevice
    ) -> GuardLike:
        if provider is None or trust_root is None:
            raise MatrixError("a guarded client needs a guard", hint="Give guard, or guard_provider and trust_root.")
        return await Guard.open(
            folder, key=key, provider=provider, trust_root=trust_root, sign_in=lambda: openid_token(device)
        )

    @property
    def user_id(self) -> str:
        """This account."""
        return self._device.user_id

    @property
    def device_id(self) -> str:
        """This device."""
        return self._device.device_id

    @property
    def rooms(self) -> dict[str, Room]:
        """The rooms that this account is in, by id. Read only."""
        return self._device.rooms

    # Receiving

    @property
    def events(self) -> AsyncIterator[TimelineEvent]:
        """What happens, in order, until the client is closed. Whoever asks takes an event away from the others."""
        return self._next_events()

    async def _next_events(self) -> AsyncIterator[TimelineEvent]:
        while (event := await self._events.get()) is not None:
            yield event
        self._events.put_nowait(None)  # so that whoever else waits ends too

    async def sync_once(self, *, seconds: float = 0.0) -> None:
        """Fetch what is new, waiting up to `seconds` for something to happen, and put it into `events`.

        Raises:
            SignedOut: the session has ended.
            MatrixError: the homeserver failed; the next call takes up where this one left off.
        """
        await self._syncing.once(seconds=seconds)

    async def run(self) -> None:
        """Keep up to date until cancelled or closed. Whatever fails is tried again, ever more slowly, and logged.

        Raises:
            SignedOut: the session has ended.
        """
        await self._syncing.run()

    # Rooms

    async def create_encrypted_room(self, *, invite: Sequence[str] = (), name: str = "") -> str:
        """Make a private encrypted room and return its id. Who is invited is accepted."""
        return await membership.create_encrypted_room(self._device, invite=invite, name=name)

    async def join(self, room_id: str) -> None:
        """Accept an invitation, or join a room that is open. Who is there now is accepted, who comes later is not."""
        await membership.join(self._device, room_id)

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invite somebody into a room, who is thereby accepted.

        Raises:
            UnknownRoom: this account is not in the room.
            MatrixError: the homeserver did not take it.
        """
        await membership.invite(self._device, room_id, user_id)

    def accept_reader(self, room_id: str, user_id: str) -> None:
        """Let somebody read who has come into a room without being invited by this account.

        Who is not there any more is not accepted in advance: if they come again, the user is asked again.

        Raises:
            UnknownRoom: this account is not in the room.
        """
        room = self._device.joined_room(room_id)
        self._device.accept_readers(room, {user_id} & room.strangers)

    async def leave(self, room_id: str, *, forget: bool = False) -> None:
        """Leave a room, or decline an invitation. What the conversation guard kept of it is deleted.

        With `forget`, the homeserver takes it off this account's list of left rooms, too.
        """
        await membership.leave(self._device, room_id, forget=forget)
        if self._conversing:
            self._conversing.forget(room_id)

    async def ignored(self) -> frozenset[str]:
        """Return whom this account ignores.

        The list is the account's own at the homeserver, for all its devices, and is not encrypted there: the homeserver
        learns whom somebody ignores, and not why. Who is ignored is not told.
        """
        return await membership.ignored(self._device)

    async def ignore(self, user_id: str, *, ignored: bool = True) -> None:
        """Ignore somebody from now on, or with `ignored=False` not any more."""
        await membership.ignore(self._device, user_id, ignored=ignored)

    # Sending

    async def send_text(self, room_id: str, text: str, *, confirmed: bool = False) -> str:
        """Encrypt and send text; return the event's id.

        Raises:
            PausedBeforeSending: nothing was sent, because its user's own messages push somebody; not with `confirmed`.
            UnknownRoom, RoomNotEncrypted: the client does not write there.
            IdentityChanged: not before somebody's new identity is accepted; see `accept_new_identity`.
            SomebodyJoined: not before who has come is accepted; see `accept_reader`.
            MatrixError: the homeserver did not take it.
        """
        text = whole(text)
        room = self._device.writable_room(room_id)
        if self._conversing and not confirmed and (pause := self._conversing.pause(room_id, text, _now())):
            raise PausedBeforeSending(pause)
        event_id, head = await self._send(room_id, {"msgtype": "m.text", "body": text})
        if self._conversing:
            self._conversing.sent(room, event_id, text, head["sent_at"])
        self._events.put_nowait(TextMessage(**head, text=text))
        return event_id

    @property
    def conversations(self) -> ConversationGuard | None:
        """The conversation guard, for its settings; `None` where there is none."""
        return self._conversing.guard if self._conversing else None

    def choose_picture(self, data: bytes) -> None:
        """Start checking a picture that the user has just chosen, so that sending it need not wait."""
        self._guard.choose(strip_trailing(data))

    async def send_picture(
        self, room_id: str, data: bytes, filename: str, *, confirmed: Verdict | None = None
    ) -> Sent | Held:
        """Check a picture and, unless it is held, encrypt and send it without what trails behind its end.

        `confirmed` is the verdict of an earlier `Held`: the user was warned with it and wants to send the picture all
        the same. When the check finds something else by now, the picture is held again. A *stop* cannot be confirmed.

        Raises:
            PictureError: this is no picture.
            OversizedMedia: it is over the client's limit.
            UnknownRoom, RoomNotEncrypted, IdentityChanged, SomebodyJoined, MatrixError: as in `send_text`.
        """
        self._device.writable_room(room_id)
        picture = strip_trailing(data)
        if len(picture) > self._media_limit:
            raise OversizedMedia(f"the picture is larger than {self._media_limit} bytes", hint="Make it smaller.")
        verdict = await self._guard.check_outgoing(picture)
        agreed = confirmed is not None and question(confirmed) == question(verdict)
        if verdict.action is Action.STOP or (verdict.action is Action.WARN and not agreed):
            return Held(verdict)
        filename = whole(filename)
        ciphertext, file = media.encrypt(picture)
        address = await self._device.api.upload(ciphertext)
        content = {
            "msgtype": "m.image",
            "body": filename,
            "filename": filename,
            "file": {**file, "url": address},
            "info": {"mimetype": sniff(picture).mimetype, "size": len(picture)},
        }
        event_id, head = await self._send(room_id, content)
        self._events.put_nowait(PictureMessage(**head, filename=filename, data=picture, verdict=verdict))
        return Sent(event_id, verdict)

    async def _send(self, room_id: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        transaction = str(uuid4())
        self._receiver.sent(transaction)
        try:
            event_id = await self._device.send(room_id, "m.room.message", content, transaction)
        finally:
            for notice in self._receiver.notices():
                self._events.put_nowait(notice)
        return event_id, {
            "room_id": room_id,
            "event_id": event_id,
            "sender": self.user_id,
            "sent_at": _now(),
            "own": True,
            "trust": SenderTrust.VERIFIED,
            "franking": Franking.COMMITTED,
        }

    # Reporting

    @property
    def reports(self) -> Reports | None:
        """What this account reports; `None` where pictures are checked by something that knows no provider."""
        return self._guard.reports if isinstance(self._guard, Guard) else None

    def evidence(self, message: Message) -> MessageEvidence | None:
        """Return what reporting a message takes, with its proof if there is one; `None` if it cannot be reported.

        A message of this account has it as soon as it has come back from the homeserver, with its stamp.
        """
        return self._receiver.evidence(message)

    async def attachment(self, evidence: MessageEvidence) -> bytes:
        """Fetch the file that a message brought and decrypt it, whatever the verdict on it was: to report it.

        Raises:
            MalformedMedia: the message brought no file that can be fetched.
            OversizedMedia, MediaHashMismatch: it is too large, or not what its sender encrypted.
            MatrixError: the homeserver does not deliver it.
        """
        return await self._receiver.file(at(json.loads(evidence.content), "file"))

    # Identities

    def accept_new_identity(self, user_id: str, *, shown: str | None = None) -> None:
        """Accept what `user_id` publishes now in place of the pinned master key, or that it publishes none.

        Args:
            user_id: whose identity changed.
            shown: the fingerprint that the user was shown; with another one by now, nothing is accepted.

        Raises:
            IdentityChanged: the identity changed once more since it was shown.
            IdentityElsewhere: for this account's own identity, which is replaced by logging in, never accepted.
        """
        if user_id == self.user_id:
            raise IdentityElsewhere(
                "this account's own identity cannot be accepted from the homeserver",
                hint="Log in again with an exported identity, or with replace_identity.",
            )
        master = self._device.directory.published(user_id)
        if shown is not None and shown != (fingerprint(master) if master else ""):
            raise IdentityChanged(
                f"the keys of {user_id} have changed again", users=(user_id,), hint="Compare the new fingerprint."
            )
        self._device.directory.accept(user_id, master)
        self._device.store.update(pins=dict(self._device.directory.pins))

    def export_identity(self, key: bytes) -> bytes:
        """Seal this account's identity under a 32-byte key, to hand it over to another of its devices.

        Whoever has both can speak for the account: move the key by another way than the sealed bytes.
        """
        identity = self._device.store.state.identity
        if identity is None:
            raise IdentityElsewhere("this profile holds no identity")
        return key_store.export_identity(identity.identity(), key)

    async def openid_token(self) -> SignIn:
        """Get a token that proves to a provider who this account is. Good for one use, soon."""
        return await openid_token(self._device)

    # Ending

    async def close(self) -> None:
        """End what is under way and close everything. The session stays; `login` goes on with it."""
        await self._syncing.stop()
        if self._conversing:
            self._conversing.close()
        self._events.put_nowait(None)
        await self._guard.close()
        await self._device.api.close()
        self._device.machine.close()
        self._profile.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _loaded(conversations: Callable[[], Reader]) -> Reader | None:
    """Load what the conversation guard reads with. Without it the client works as one that has no such guard."""
    try:
        return conversations()
    except Exception as error:
        log.warning("the conversation guard could not be loaded: %s", error)
        return None


def _conversation_guard(profile: Profile, reader: Reader, guard: GuardLike) -> ConversationGuard:
    if isinstance(guard, Guard):
        return ConversationGuard(profile, reader=reader, limits=guard.conversation_limits)
    return ConversationGuard(profile, reader=reader)


def _now() -> int:
    return int(time.time() * 1000)  # noqa: TID251 (the edge)
