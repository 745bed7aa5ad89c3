"""Between the timeline and the conversation guard: who said what to whom, and what the user is told.

All of it stays on the device. The guard must never keep anybody from reading or writing: what goes wrong in it is
logged without content, and the client goes on.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TypeVar

from tutela.device.conversation import Advice, ConversationGuard, Pause
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.rooms import Room
from tutela.integrations.matrix.signed_json import at, whole
from tutela.integrations.matrix.timeline import ConversationAdvice
from tutela.signals.conversation.message import Message, Side

log = logging.getLogger("tutela.matrix")
T = TypeVar("T")

#: The brake knows rooms and not people, so that it cannot depend on who reads.
_ANYBODY: Final = ""
#: In rooms with more others than this, own messages are read beside those of the people who wrote last.
_PEOPLE: Final = 8
_ROOMS: Final = 64
_TEXT_TYPES: Final = ("m.text", "m.notice", "m.emote")


class Conversing:
    """One client's conversation guard. `zone` is the user's time zone; `None` stands for this machine's."""

    def __init__(self, guard: ConversationGuard, user_id: str, *, zone: tzinfo | None = None) -> None:
        self.guard = guard
        self._user_id = user_id
        self._zone = zone
        self._writers: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()

    def read(
        self, room: Room, head: Mapping[str, Any], trust: SenderTrust, raw: Any, content: Mapping[str, Any]
    ) -> ConversationAdvice | None:
        """Read a decrypted message that is no replay; return what to tell the user, if anything.

        Args:
            room: where it came.
            head: its `room_id`, `event_id`, `sender` and `sent_at`.
            trust: what is known of the sending device. Own messages count only from devices that the account vouches
                for: a forged one could make the guard quieter.
            raw: the event as the homeserver delivers it.
            content: its decrypted content.
        """
        return self._calmly(lambda: self._read(room, head, trust, raw, content))

    def sent(self, room: Room, event_id: str, text: str, time: int) -> None:
        """Take into account what this device has sent."""
        self._calmly(lambda: self._sent(room, event_id, text, time))

    def pause(self, room_id: str, text: str, time: int) -> Pause | None:
        """Return the pause before a message goes out, if there is one."""
        return self._calmly(lambda: self.guard.sending(room_id, _ANYBODY, text, time))

    def forget(self, room_id: str) -> None:
        """Delete everything that is kept of a room."""
        self._writers.pop(room_id, None)
        self._calmly(lambda: self.guard.forget(room_id))

    def close(self) -> None:
        """Store what is not stored yet."""
        self._calmly(self.guard.close)

    def _read(
        self, room: Room, head: Mapping[str, Any], trust: SenderTrust, raw: Any, content: Mapping[str, Any]
    ) -> ConversationAdvice | None:
        said = text_of(raw, content)
        if said is None:
            return None
        sender, (replaced, text) = head["sender"], said
        event_id = replaced or head["event_id"]
        if sender == self._user_id:
            if trust is SenderTrust.VERIFIED:
                self._sent(room, event_id, text, head["sent_at"])
            return None
        self._note_writer(room.room_id, sender)
        message = self._message(event_id, Side.OTHER, text, head["sent_at"])
        direct = self._others(room) <= {sender}
        advice = self.guard.received(room.room_id, sender, message, direct=direct)
        return _told(head, advice) if advice is not None else None

    def _sent(self, room: Room, event_id: str, text: str, time: int) -> None:
        message = self._message(event_id, Side.OWN, text, time)
        self.guard.sent(room.room_id, _ANYBODY, message)
        others = self._others(room)
        direct = len(others) == 1
        if len(others) > _PEOPLE:
            others &= set(self._writers.get(room.room_id, ()))
        for person in sorted(others):
            self.guard.received(room.room_id, person, message, direct=direct)

    def _others(self, room: Room) -> set[str]:
        return (room.joined | room.invited) - {self._user_id}

    def _message(self, event_id: str, side: Side, text: str, time: int) -> Message:
        hour = datetime.fromtimestamp(time / 1000, UTC).astimezone(self._zone).hour if time else None
        return Message(event_id, side, text, time, hour)

    def _note_writer(self, room_id: str, person: str) -> None:
        writers = self._writers.setdefault(room_id, OrderedDict())
        self._writers.move_to_end(room_id)
        writers[person] = None
        writers.move_to_end(person)
        while len(writers) > _PEOPLE:
            writers.popitem(last=False)
        while len(self._writers) > _ROOMS:
            self._writers.popitem(last=False)

    @staticmethod
    def _calmly(work: Callable[[], T]) -> T | None:
        try:
            return work()
        except Exception as error:
            # Its text could hold words of a message, and so could a traceback.
            log.warning("the conversation guard failed (%s); the client goes on without its word", type(error).__name__)
            return None


def text_of(raw: Any, content: Mapping[str, Any]) -> tuple[str | None, str] | None:
    """Return the words of a message and, where it replaces another, that one's id; `None` where it has no words."""
    replaced = None
    # The relation of an encrypted event stands outside; some clients repeat it inside.
    for relation in (at(raw, "content", "m.relates_to"), content.get("m.relates_to")):
        target, new = at(relation, "event_id"), content.get("m.new_content")
        if at(relation, "rel_type") == "m.replace" and isinstance(target, str) and isinstance(new, dict):
            replaced, content = whole(target), new
            break
    kind, body, filename = content.get("msgtype"), content.get("body"), content.get("filename")
    if not isinstance(kind, str) or not isinstance(body, str):
        return None
    captioned = isinstance(filename, str) and filename != body
    return (replaced, whole(body)) if kind in _TEXT_TYPES or captioned else None


def _told(head: Mapping[str, Any], advice: Advice) -> ConversationAdvice:
    names = {"room_id": head["room_id"], "sender": head["sender"], "sent_at": head["sent_at"]}
    return ConversationAdvice(**names, event_id="", advice=advice)
