"""The conversation guard: reads messages on the device, keeps little and sealed, and speaks to its user alone."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from tutela.device.conversation.advice import Advice, advise
from tutela.device.conversation.brake import Openings, Pause, brake, sent
from tutela.device.conversation.settings import CAREFUL, Limits, Settings, allowed_to, lowest_shown
from tutela.device.errors import DamagedProfile
from tutela.device.profile import Profile
from tutela.signals.conversation.conversation import Conversation, Reader
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.errors import BadState
from tutela.signals.conversation.languages import shipped_identifier
from tutela.signals.conversation.lexicon import shipped
from tutela.signals.conversation.message import Message, Side
from tutela.signals.conversation.model import shipped_model

log = logging.getLogger("tutela.device")
T = TypeVar("T", bound=msgspec.Struct)

#: Conversations kept in memory; the others are read again from the profile.
_OPEN: Final = 32
#: Messages that showed nothing are stored after so many.
_LAZY: Final = 20
_SETTINGS: Final = "conversations"
_OPENINGS: Final = "conversation-openings"
_PREFIX: Final = "conversation-with-"


class _Both(msgspec.Struct):
    """What is stored of one conversation with one person."""

    room: str
    """A keyed digest, by which all of a room is found."""
    theirs: bytes
    own: bytes


class _Open:
    def __init__(self, room: str, theirs: Conversation, own: Conversation) -> None:
        self.room, self.theirs, self.own, self.unsaved = room, theirs, own, 0


def shipped_reader() -> Reader:
    """Return the lexicon, the language identifier and the model that ship; loading takes about a second."""
    return Reader(shipped(), shipped_identifier(), shipped_model())


class ConversationGuard:
    """Reads the messages of one profile's conversations.

    `limits` gives what the provider's verified policy says for an account with such settings; before any policy,
    careful defaults.
    Nothing here sends anything: there is no network in this room.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        reader: Reader | None = None,
        limits: Callable[[Settings], Limits] = lambda _: CAREFUL,
    ) -> None:
        self._profile = profile
        self._loaded = reader
        self._limits = limits
        self._key = profile.derive("conversation-names")
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._settings = self._read(_SETTINGS, Settings) or Settings()
        self._openings = self._read(_OPENINGS, Openings) or Openings()

    @property
    def settings(self) -> Settings:
        """What the user chose."""
        return self._settings

    def change(self, settings: Settings) -> None:
        """Keep other settings."""
        self._profile.write(_SETTINGS, msgspec.msgpack.encode(settings))
        self._settings = settings

    @property
    def lowest(self) -> Level | None:
        """The lowest level that is shown, or `None` where the guard is off."""
        return lowest_shown(self._settings, self._limits(self._settings))

    def allowed(self, settings: Settings) -> Limits:
        """Return what somebody with such settings may choose: for a page on which they do."""
        return allowed_to(settings, self._limits(settings))

    def received(self, room: str, person: str, message: Message) -> Advice | None:
        """Read a message of `person`; return what to tell the user, if anything. Never raises for what it holds."""
        return self._read_message(room, person, message)

    def sending(self, room: str, person: str, text: str, time: int) -> Pause | None:
        """Return the pause before a message of the user, if there is one. Leaves no trace."""
        if not self._settings.speaks_for_sender:
            return None
        found = self._conversation(room, person)
        message = Message("", Side.OWN, text, time)
        return brake(self._reader, found.own, self._openings, self._name(room, person), message)

    def sent(self, room: str, person: str, message: Message) -> None:
        """Take a message of the user into account after it went out."""
        found = self._conversation(room, person)
        if not found.own.memory.repeats(message):
            sent(found.own, self._openings, self._name(room, person), message)
            self._profile.write(_OPENINGS, msgspec.msgpack.encode(self._openings))
            found.unsaved += 1
        self._read_message(room, person, message)

    def advice(self, room: str, person: str) -> Advice | None:
        """Return what the guard would say of a conversation now, for a page that shows it again."""
        assessment = self._conversation(room, person).theirs.assess(own_age=self._settings.group.age)
        lowest = self.lowest
        if lowest is None or assessment.level < max(lowest, Level.TIP):
            return None
        return advise(assessment, self._settings.group)

    def forget(self, room: str) -> None:
        """Delete everything that is kept of a room."""
        digest = self._digest(room)
        for name in [name for name, found in self._open.items() if found.room == digest]:
            del self._open[name]
        for record in self._profile.names(_PREFIX):
            stored = self._read(record, _Both)
            if stored is None or stored.room == digest:
                self._profile.delete(record)
                self._openings.forget(record.removeprefix(_PREFIX))
        self._profile.write(_OPENINGS, msgspec.msgpack.encode(self._openings))

    def close(self) -> None:
        """Store what is not stored yet."""
        for name, found in self._open.items():
            if found.unsaved:
                self._save(name, found)

    @property
    def _reader(self) -> Reader:
        if self._loaded is None:
            self._loaded = shipped_reader()
        return self._loaded

    def _read_message(self, room: str, person: str, message: Message) -> Advice | None:
        lowest = self.lowest
        if lowest is None:
            return None
        found = self._conversation(room, person)
        assessment = found.theirs.read(message, own_age=self._settings.group.age)
        found.unsaved += 1
        if assessment.new or assessment.speaks or found.unsaved >= _LAZY:
            self._save(self._name(room, person), found)
        if not assessment.speaks or message.side is Side.OWN or assessment.level < lowest:
            return None
        return advise(assessment, self._settings.group)

    def _conversation(self, room: str, person: str) -> _Open:
        name = self._name(room, person)
        found = self._open.get(name)
        if found is None:
            found = self._open[name] = self._load(room, name)
            while len(self._open) > _OPEN:
                oldest, closed = self._open.popitem(last=False)
                if closed.unsaved:
                    self._save(oldest, closed)
        self._open.move_to_end(name)
        return found

    def _load(self, room: str, name: str) -> _Open:
        stored = self._read(_PREFIX + name, _Both)
        if stored is not None:
            try:
                theirs = Conversation.decode(self._reader, stored.theirs)
                return _Open(stored.room, theirs, Conversation.decode(self._reader, stored.own))
            except BadState as error:
                log.warning("The state of a conversation is begun anew: %s", error)
        return _Open(self._digest(room), Conversation(self._reader), Conversation(self._reader))

    def _save(self, name: str, found: _Open) -> None:
        stored = _Both(found.room, found.theirs.encode(), found.own.encode())
        self._profile.write(_PREFIX + name, msgspec.msgpack.encode(stored))
        found.unsaved = 0

    def _read(self, record: str, kind: type[T]) -> T | None:
        """Return a record, or nothing where there is none or it is damaged: the guard goes on, from the start."""
        try:
            data = self._profile.read(record)
            return None if data is None else msgspec.msgpack.decode(data, type=kind)
        except (DamagedProfile, msgspec.DecodeError, UnicodeDecodeError):
            log.warning("A record of the conversation guard was damaged, and is begun anew.")
            return None

    def _name(self, room: str, person: str) -> str:
        return self._digest(f"{room}\n{person}")

    def _digest(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._key, digest_size=20).hexdigest()
