"""What one window's user is told about their conversation, alone, and what they choose to do about it.

The other person's page shows nothing of it, and nothing is done by itself: every choice is the user's own tap.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tutela.chat.client import ChatClient
from tutela.chat.conversation import entry_id, short_name
from tutela.device.conversation import Pause
from tutela.integrations.matrix.timeline import ConversationAdvice
from tutela.language import N_
from tutela.signals.conversation.decision import Level

log = logging.getLogger("tutela.chat")

SENT_TO: Final = N_("Sent to {name}. It was good to tell somebody.")


@dataclass(frozen=True)
class Paused:
    """A message that waits for its sender's second thought. Only the answer that names `id` sends it."""

    id: str
    text: str
    pause: Pause


@dataclass(frozen=True)
class Chat:
    """A conversation of the user's own in which they could tell somebody."""

    id: str
    """As the page calls it."""
    room_id: str
    name: str


class Advising:
    """The card above the composer, and what was chosen there."""

    def __init__(self, client: ChatClient, room_id: str) -> None:
        self._client = client
        self._room_id = room_id
        self.card: ConversationAdvice | None = None
        """What is shown now, until the user says that it is fine or something graver comes."""
        self.last: ConversationAdvice | None = None
        """What was shown last: what a report ticks, and whom to block."""
        self.blocked: dict[str, None] = {}
        """Whom the user blocked here, for undoing it."""
        self.paused: Paused | None = None
        self.draft = ""
        """What was not sent, for the composer of a page without its script."""
        self.told = ""
        """Whom the user told, by name."""
        self.left = False
        self._recalled = False

    @property
    def card_id(self) -> str:
        """A name for the card, so that an old page cannot put away a newer one."""
        return entry_id(self.card.event_id) if self.card else ""

    @property
    def evidence(self) -> frozenset[str]:
        """The messages that the last card was about, as the page calls them."""
        return frozenset(map(entry_id, self.last.advice.evidence)) if self.last else frozenset()

    def take(self, event: ConversationAdvice) -> None:
        """Show a card; a milder one does not take the place of a graver one."""
        if self.card is None or event.advice.level >= self.card.advice.level:
            self.card = self.last = event
            self.told = ""

    def recall(self) -> list[ConversationAdvice]:
        """Return, once, the cards of an earlier run of this program that the user has not answered."""
        guard, room = self._client.conversations, self._client.rooms.get(self._room_id)
        if self._recalled or guard is None or room is None:
            return []
        self._recalled = True
        found = []
        for person in sorted((room.joined | room.invited) - {self._client.user_id}):
            try:
                advice = guard.unanswered(self._room_id, person)
            except Exception as error:  # the guard keeps nobody from reading; its text could hold words of a message
                log.warning("the conversation guard failed (%s); a card may be missing", type(error).__name__)
                break
            if advice is not None:
                found.append(
                    ConversationAdvice(room_id=self._room_id, event_id="", sender=person, sent_at=0, advice=advice)
                )
        return found

    def acted(self) -> None:
        """Keep that the user has done something about the last card: it does not come again after a restart."""
        guard, last = self._client.conversations, self.last
        if guard is None or last is None:
            return
        try:
            guard.answer(self._room_id, last.sender, last.advice.level)
        except Exception as error:
            log.warning("the conversation guard failed (%s); a card may come again", type(error).__name__)

    def fine(self, card: str) -> None:
        """Put the card away, as the user says."""
        if self.card is not None and card == self.card_id:
            self.acted()
            self.card, self.told = None, ""

    def chats(self) -> Sequence[Chat]:
        """Return the user's other encrypted conversations, without whom the card is about."""
        own, about = self._client.user_id, self.last.sender if self.last else None
        found = []
        for room in self._client.rooms.values():
            others = sorted((room.joined | room.invited) - {own})
            if room.room_id == self._room_id or not room.encrypted or not others or about in others:
                continue
            name = room.name or ", ".join(short_name(other, seen_by=own) for other in others)
            found.append(Chat(entry_id(room.room_id), room.room_id, name))
        return sorted(found, key=lambda chat: chat.name.casefold())

    def wait(self, text: str, pause: Pause) -> None:
        """Keep a message back until its sender has thought again."""
        self.paused = Paused(secrets.token_urlsafe(9), text, pause)

    def keep(self, paused: str) -> None:
        """Do not send the message that waits; its words go back into the composer."""
        if self.paused and self.paused.id == paused:
            self.draft, self.paused = self.paused.text, None


def is_card(event: ConversationAdvice) -> bool:
    """Whether it is shown above the composer; a tip is a line between the messages."""
    return event.advice.level >= Level.NUDGE
