"""One person's window: the conversation so far, the picture that is chosen, and what may be done next.

Everything is in memory and bounded. What changes is told to `changes`, which the page follows.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tutela.chat.advising import Advising, is_card
from tutela.chat.changes import Changes
from tutela.chat.client import ChatClient
from tutela.chat.conversation import acceptable, entry_id, picture_state, short_name
from tutela.device.verdict import Verdict
from tutela.errors import TutelaError
from tutela.integrations.matrix.client import Held
from tutela.integrations.matrix.errors import (
    AccountLocked,
    IdentityChanged,
    OversizedMedia,
    PausedBeforeSending,
    SomebodyJoined,
)
from tutela.integrations.matrix.guarding import question
from tutela.integrations.matrix.timeline import (
    ConversationAdvice,
    Message,
    Notice,
    NoticeKind,
    PictureMessage,
    Problem,
    ServiceMessage,
    TimelineEvent,
    UnreadableMessage,
)
from tutela.language import N_
from tutela.signals.image import PictureError, sniff
from tutela.wire.manifest import Action

log = logging.getLogger("tutela.chat")

#: Events and bytes of pictures that one window keeps.
EVENTS: Final = 500
PICTURE_MEMORY: Final = 96 << 20
TEXT_LENGTH: Final = 4000
_FILENAME_LENGTH: Final = 120

_NOT_SENT = N_("This could not be sent just now. Please try again in a moment.")
_KEYS_CHANGED = N_("Nothing was sent, because somebody’s security keys changed. Please look at the notice above.")
_SOMEBODY_JOINED = N_(
    "Nothing was sent, because somebody new is in this conversation. Please look at the notice above."
)
_LOCKED = N_("Nothing was sent, because the service has locked your account. Please look at the notice above.")
_NOT_ACCEPTED = N_("This could not be accepted just now. Please try again in a moment.")
_NOT_CHANGED = N_("This did not work just now. Please try again in a moment.")
_NO_PICTURE = N_("This file is not a picture that can be sent here. Please choose a JPEG, PNG, WebP or GIF picture.")
TOO_LARGE = N_("This file is too large. Please choose a smaller picture.")
_TOO_LONG = N_("This message is too long. Please send it in parts.")


@dataclass(frozen=True)
class Chosen:
    """The picture that the user has chosen, not sent yet. `held` says why sending it was stopped or questioned."""

    id: str
    data: bytes
    media_type: str
    filename: str
    held: Verdict | None = None

    @property
    def question(self) -> str:
        """What a confirmation has to name; empty where there is nothing to confirm."""
        return question(self.held) if self.held and self.held.action is Action.WARN else ""


class Window:
    """A guarded client in one room, for one person."""

    def __init__(
        self,
        client: ChatClient,
        room_id: str,
        *,
        other: str,
        name: str | None = None,
        clock: Callable[[], float] = time.time,  # noqa: TID251 (the edge)
    ) -> None:
        """Open a window of `client` on `room_id`.

        Args:
            client: the guarded client. A window takes in what it is given of the client's events; see `follow`.
            room_id: the room that is shown.
            other: what the person on the other side is called.
            name: what this person is called; by default after the account.
            clock: tells the time in seconds since 1970, for notices, which carry none.
        """
        self.client = client
        self.room_id = room_id
        self.name = name or short_name(client.user_id, seen_by=client.user_id)
        self.other = other
        self.token = secrets.token_urlsafe(24)
        self.changes = Changes()
        self.chosen: Chosen | None = None
        self.failure = ""
        """A source text that says what did not work; empty when all is well."""
        self.opened: set[str] = set()
        self.accepted: set[str] = set()
        self.advising = Advising(client, room_id)
        self._events: OrderedDict[str, TimelineEvent] = OrderedDict()
        self._clock = clock
        self._sending = asyncio.Lock()

    @property
    def path(self) -> str:
        """Where this window is on the page's server. It is the secret."""
        return f"/w/{self.token}/"

    @property
    def events(self) -> Sequence[TimelineEvent]:
        """What happened in the room, in the order in which it arrived."""
        return tuple(self._events.values())

    def recall(self) -> None:
        """Show again, once, the card of an earlier run that waits for its user's answer."""
        for event in self.advising.recall():
            card = self.advising.card
            if card is None or event.advice.level > card.advice.level:
                self.take(event)

    def take(self, event: TimelineEvent) -> None:
        """Take in one event. One with the id of an earlier one takes its place only if that waited for its key."""
        here = event.room_id == self.room_id and isinstance(event, Message | Notice | ConversationAdvice)
        here = here or (isinstance(event, Notice) and not event.room_id)  # about the account
        if not here and not isinstance(event, ServiceMessage):  # which has a room of its own, and is shown in any
            return
        if isinstance(event, Notice | ConversationAdvice):
            # The client's own notices come from no server, so no server may be able to name one.
            now = int(self._clock() * 1000)
            event = replace(event, event_id=f"notice-{secrets.token_urlsafe(12)}", sent_at=event.sent_at or now)
        if isinstance(event, ConversationAdvice) and is_card(event):
            self.advising.take(event)
            self.changes.notify()
            return
        earlier = self._events.get(event.event_id)
        if earlier and not (isinstance(earlier, UnreadableMessage) and earlier.problem is Problem.NO_KEY):
            return
        self._events[event.event_id] = event
        self.opened.discard(event.event_id)  # the user asked to see something else
        while len(self._events) > EVENTS:
            self.opened.discard(self._events.popitem(last=False)[0])
        self._forget_old_pictures()
        self.changes.notify()

    def _forget_old_pictures(self) -> None:
        kept = 0
        for key, event in reversed(self._events.items()):
            if isinstance(event, PictureMessage) and event.data is not None:
                kept += len(event.data)
                if kept > PICTURE_MEMORY:
                    self._events[key] = replace(event, data=None)

    def find(self, entry: str) -> TimelineEvent | None:
        """Return the event that the page calls `entry`."""
        return next((event for event in self._events.values() if entry_id(event.event_id) == entry), None)

    def picture(self, entry: str, *, opened: bool) -> bytes | None:
        """Return a picture that may be shown now, or with `opened=False` one that may be asked for; else `None`."""
        event = self.find(entry)
        if not isinstance(event, PictureMessage):
            return None
        state = picture_state(event, opened=event.event_id in self.opened)
        return event.data if state == ("shown" if opened else "asked") else None

    async def say(self, text: str) -> None:
        """Send text, unless its sender is asked to think again first."""
        text = text.strip()
        self.advising.draft, self.advising.paused = "", None
        self.failure = _TOO_LONG if len(text) > TEXT_LENGTH else ""
        if text and not self.failure:
            await self._send_text(text, confirmed=False)
        self.changes.notify()

    async def say_anyway(self, paused: str) -> None:
        """Send the message that waits, `paused` being its id."""
        waiting = self.advising.paused
        if waiting is not None and waiting.id == paused:
            self.failure, self.advising.paused = "", None
            await self._send_text(waiting.text, confirmed=True)
            self.changes.notify()

    def keep(self, paused: str) -> None:
        """Do not send the message that waits."""
        self.advising.keep(paused)
        self.changes.notify()

    async def _send_text(self, text: str, *, confirmed: bool) -> None:
        try:
            await self.client.send_text(self.room_id, text, confirmed=confirmed)
        except PausedBeforeSending as error:
            self.advising.wait(text, error.pause)
        except (TutelaError, OSError) as error:
            self.advising.draft = text if confirmed else ""
            self._fail(error)

    # What the user chooses at a card

    def fine(self, card: str) -> None:
        """Put the card away."""
        self.advising.fine(card)
        self.changes.notify()

    async def tell(self, chat: str, text: str) -> bool:
        """Send the user's own words to one of their other conversations; return whether they went out."""
        chosen = next((one for one in self.advising.chats() if one.id == chat), None)
        text, self.failure = text.strip(), ""
        if chosen is None or not text or len(text) > TEXT_LENGTH:
            return False
        try:
            await self.client.send_text(chosen.room_id, text, confirmed=True)
        except (TutelaError, OSError) as error:
            self._fail(error)
            return False
        self.advising.told = chosen.name
        self.advising.acted()
        self.changes.notify()
        return True

    async def block(self, *, blocked: bool) -> None:
        """Block whom the last card was about, or undo it."""
        people = [self.advising.last.sender] if blocked and self.advising.last else [*self.advising.blocked]
        self.failure = ""
        for person in people:
            try:
                await self.client.ignore(person, ignored=blocked)
            except (TutelaError, OSError) as error:
                log.warning("somebody could not be blocked or unblocked: %s", error)
                self.failure = _NOT_CHANGED
            else:
                self.advising.blocked.pop(person, None)
                self.advising.blocked |= {person: None} if blocked else {}
                if blocked:
                    self.advising.acted()
                    self.advising.card = None
        self.changes.notify()

    async def leave(self) -> None:
        """Leave the room, and have what was kept of it forgotten."""
        self.failure = ""
        try:
            await self.client.leave(self.room_id, forget=True)
        except (TutelaError, OSError) as error:
            log.warning("the room could not be left: %s", error)
            self.failure = _NOT_CHANGED
        else:
            self.advising.left, self.advising.card, self.advising.paused = True, None, None
        self.changes.notify()

    def choose(self, data: bytes, filename: str) -> None:
        """Take a picture for sending and start its check."""
        self.failure, self.chosen = "", None
        try:
            kind = sniff(data).mimetype
            self.client.choose_picture(data)
        except PictureError:
            self.failure = _NO_PICTURE
        else:
            name = filename.replace("\\", "/").rpartition("/")[2][:_FILENAME_LENGTH] or "picture"
            self.chosen = Chosen(secrets.token_urlsafe(9), data, kind, name)
        self.changes.notify()

    async def send(self, chosen: str, *, confirm: str = "") -> None:
        """Send the chosen picture, `chosen` being its id and `confirm` the question to which the user says yes."""
        async with self._sending:
            picture = self.chosen
            if picture is None or picture.id != chosen:
                return
            self.failure = ""
            # The page may be older than the question.
            confirmed = picture.held if confirm and confirm == picture.question else None
            try:
                answer = await self.client.send_picture(
                    self.room_id, picture.data, picture.filename, confirmed=confirmed
                )
            except (TutelaError, OSError) as error:
                self._fail(error)
            else:
                # Another picture may have been chosen while this one was under way.
                if self.chosen is picture:
                    self.chosen = replace(picture, held=answer.verdict) if isinstance(answer, Held) else None
        self.changes.notify()

    def discard(self, chosen: str) -> None:
        """Let go of the chosen picture."""
        self.failure = ""
        if self.chosen and self.chosen.id == chosen:
            self.chosen = None
        self.changes.notify()

    def open(self, entry: str) -> None:
        """Show a picture after a warning, as the user asks."""
        event = self.find(entry)
        if isinstance(event, PictureMessage) and picture_state(event, opened=False) == "asked":
            self.opened.add(event.event_id)
            self.changes.notify()

    def cover(self, entry: str) -> None:
        """Cover a picture again."""
        if event := self.find(entry):
            self.opened.discard(event.event_id)
            self.changes.notify()

    def accept(self, entry: str) -> None:
        """Accept somebody's changed identity, or somebody who has come, as the user asks at the newest notice of it."""
        event = self.find(entry)
        if not isinstance(event, Notice) or event.event_id not in acceptable(self.events, accepted=self.accepted):
            return
        self.failure = ""
        try:
            if event.kind is NoticeKind.SOMEBODY_JOINED:
                self.client.accept_reader(event.room_id, event.sender)
            else:
                # Only the key whose fingerprint was shown, whatever the homeserver says by now.
                self.client.accept_new_identity(event.sender, shown=event.fingerprint)
        except TutelaError as error:
            log.warning("what a notice asks was not accepted: %s", error)
            self.failure = _NOT_ACCEPTED
        else:
            self.accepted.add(event.event_id)
        self.changes.notify()

    def _fail(self, error: Exception) -> None:
        log.warning("%s could not send: %s", self.client.user_id, error)
        kinds = {
            IdentityChanged: _KEYS_CHANGED,
            SomebodyJoined: _SOMEBODY_JOINED,
            AccountLocked: _LOCKED,
            OversizedMedia: TOO_LARGE,
            PictureError: _NO_PICTURE,
        }
        self.failure = next((text for kind, text in kinds.items() if isinstance(error, kind)), _NOT_SENT)


async def follow(windows: Sequence[Window]) -> None:
    """Give the windows of one client its events until they end: they are one stream, which one alone can read."""
    async for event in windows[0].client.events:
        for window in windows:
            window.take(event)
