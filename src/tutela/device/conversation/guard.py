"""The conversation guard: reads messages on the device, keeps little and sealed, and speaks to its user alone."""

from __future__ import annotations

import hashlib
import heapq
import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import msgspec

from tutela.device.conversation.advice import Advice, advise
from tutela.device.conversation.brake import Openings, Pause, brake, sent
from tutela.device.conversation.counterpart import MOST, Elsewhere, assess, at_most, gravity, pooled, read
from tutela.device.conversation.settings import CAREFUL, Limits, Settings, allowed_to, lowest_shown
from tutela.device.errors import DamagedProfile
from tutela.device.profile import Profile
from tutela.signals.conversation.conversation import Assessment, Conversation, Reader
from tutela.signals.conversation.decision import Level, Told
from tutela.signals.conversation.errors import BadState
from tutela.signals.conversation.languages import shipped_identifier
from tutela.signals.conversation.lexicon import shipped
from tutela.signals.conversation.message import Message, Side
from tutela.signals.conversation.model import shipped_model
from tutela.signals.conversation.tagger import shipped_tagger

log = logging.getLogger("tutela.device")
T = TypeVar("T", bound=msgspec.Struct)

#: Conversations kept in memory; the others are read again from the profile.
_OPEN: Final = 32
#: Messages that showed nothing are stored after so many.
_LAZY: Final = 20
_SETTINGS: Final = "conversations"
_OPENINGS: Final = "conversation-openings"
_PREFIX: Final = "conversation-with-"


class _Kept(msgspec.Struct):
    """What is stored of one conversation with one person."""

    room: str
    """A keyed digest, by which all of a room is found."""
    theirs: bytes
    own: bytes
    person: str = ""
    """A keyed digest, by which the other rooms of a person are found."""
    direct: bool = False
    """Whether there were ever only the two in the room."""
    score: float = -math.inf
    """What this room shows by itself."""
    answered: Told = msgspec.field(default_factory=Told)
    """What the user was told and has answered."""


@dataclass
class _Open:
    room: str
    person: str
    theirs: Conversation
    own: Conversation
    direct: bool = False
    answered: Told = Told()  # noqa: RUF009 (never changed in place)
    unsaved: int = 0
    elsewhere: Elsewhere | None = None
    """What is known from the person's other rooms, until something happens there."""


def shipped_reader() -> Reader:
    """Return the lexicon, the language identifier and the model that ship; loading takes about a second."""
    return Reader(shipped(), shipped_identifier(), shipped_tagger(), shipped_model())


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
        self._people: dict[str, dict[str, float]] | None = None
        """By person, their direct rooms and what each shows by itself."""
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

    def received(self, room: str, person: str, message: Message, *, direct: bool = False) -> Advice | None:
        """Read a message of `person`; return what to tell the user, if anything. Never raises for what it holds.

        `direct` says that nobody else is in the room. What a person shows in their direct rooms counts together.
        """
        return self._read_message(room, person, message, direct=direct)

    def sending(self, room: str, person: str, text: str, time: int) -> Pause | None:
        """Return the pause before a message of the user, if there is one. Leaves no trace."""
        if not self._settings.speaks_for_sender:
            return None
        found = self._conversation(room, person)
        message = Message("", Side.OWN, text, time)
        return brake(self._reader, found.own, self._openings, self._name(room, person), message)

    def sent(self, room: str, person: str, message: Message, *, direct: bool = False) -> None:
        """Take a message of the user into account after it went out."""
        found = self._conversation(room, person)
        if not found.own.memory.repeats(message):
            sent(found.own, self._openings, self._name(room, person), message)
            self._profile.write(_OPENINGS, msgspec.msgpack.encode(self._openings))
            found.unsaved += 1
        self._read_message(room, person, message, direct=direct)

    def advice(self, room: str, person: str) -> Advice | None:
        """Return what the guard would say of a conversation now."""
        name = self._name(room, person)
        found = self._conversation(room, person)
        assessment, lowest = self._assess(name, found), self.lowest
        if lowest is None or assessment.level < max(lowest, Level.TIP):
            return None
        return self._advise(assessment, found)

    def unanswered(self, room: str, person: str) -> Advice | None:
        """Return the nudge or warning that was told and that the user has not answered: for a page that begins anew."""
        name, lowest = self._name(room, person), self.lowest
        found = self._look(name)
        if found is None or lowest is None:
            return None
        told = found.theirs.told
        open_ = told.level > found.answered.level or told.score > found.answered.score
        if not open_ or told.level < max(lowest, Level.NUDGE):
            return None
        # What has faded since does not put a card away.
        return self._advise(replace(self._assess(name, found), level=Level(told.level)), found)

    def answer(self, room: str, person: str, level: Level) -> None:
        """Note that the user has chosen something, or said that it is fine, at what was told on this level."""
        name = self._name(room, person)
        found = self._look(name)
        if found is not None:
            told = found.theirs.told
            answered = told if level >= told.level else Told(int(level))
            found.answered = max(found.answered, answered, key=gravity)
            self._stir(name, found)
            self._save(name, found)

    def forget(self, room: str) -> None:
        """Delete everything that is kept of a room, and what it contributed elsewhere."""
        digest = self._digest(room)
        gone: dict[str, str] = {}
        for name in [name for name, found in self._open.items() if found.room == digest]:
            gone[name] = self._open.pop(name).person
        for record in self._profile.names(_PREFIX):
            stored = self._read(record, _Kept)
            if stored is None or stored.room == digest:
                self._profile.delete(record)
                name = record.removeprefix(_PREFIX)
                self._openings.forget(name)
                gone.setdefault(name, stored.person if stored else "")
        self._profile.write(_OPENINGS, msgspec.msgpack.encode(self._openings))
        for name, person in gone.items():
            self._rooms_of(person).pop(name, None)
        for person in set(gone.values()):
            for name in self._rooms_of(person):
                self._settle(name)

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

    def _read_message(self, room: str, person: str, message: Message, *, direct: bool) -> Advice | None:
        lowest = self.lowest
        if lowest is None:
            return None
        name = self._name(room, person)
        found = self._conversation(room, person)
        self._meet(name, found, direct=direct)
        elsewhere = self._elsewhere(name, found, message.time)
        assessment = read(self._reader, found.theirs, elsewhere, message, own_age=self._settings.group.age)
        found.unsaved += 1
        self._stir(name, found)
        if assessment.new or assessment.heard or assessment.speaks or found.unsaved >= _LAZY:
            self._save(name, found)
        if not assessment.speaks or message.side is Side.OWN or assessment.level < lowest:
            return None
        return self._advise(assessment, found)

    def _assess(self, name: str, found: _Open) -> Assessment:
        return assess(self._reader, found.theirs, self._elsewhere(name, found), own_age=self._settings.group.age)

    def _advise(self, assessment: Assessment, found: _Open) -> Advice:
        elsewhere = found.elsewhere is not None and found.elsewhere.memory is not None
        return advise(assessment, self._settings.group, elsewhere=elsewhere)

    # The rooms of one person

    def _rooms_of(self, person: str) -> dict[str, float]:
        if self._people is None:
            self._people = {}
            for record in self._profile.names(_PREFIX):
                stored = self._read(record, _Kept)
                if stored is not None and stored.direct:
                    self._people.setdefault(stored.person, {})[record.removeprefix(_PREFIX)] = stored.score
        return self._people.setdefault(person, {})

    def _meet(self, name: str, found: _Open, *, direct: bool) -> None:
        """Note a direct room. It stays one: bringing a third account along makes nobody unknown again."""
        if direct and not found.direct:
            found.direct, found.elsewhere = True, None
        if found.direct:
            self._rooms_of(found.person).setdefault(name, -math.inf)

    def _elsewhere(self, name: str, found: _Open, time: int = 0) -> Elsewhere:
        if not found.direct:
            return Elsewhere()
        if found.elsewhere is None:
            rooms = self._rooms_of(found.person)
            strongest = heapq.nlargest(MOST, (other for other in rooms if other != name), key=rooms.__getitem__)
            known = [one for one in map(self._look, strongest) if one is not None]
            memory = pooled((one.theirs.memory for one in known), max(time, found.theirs.memory.faded))
            answered = max((one.answered for one in known), key=gravity, default=Told())
            found.elsewhere = Elsewhere(memory, answered) if known else Elsewhere()
        return found.elsewhere

    def _stir(self, name: str, found: _Open) -> None:
        """Something has happened in this room: the person's other rooms look again."""
        for other in self._rooms_of(found.person) if found.direct else ():
            if other != name and other in self._open:
                self._open[other].elsewhere = None

    def _settle(self, name: str) -> None:
        """Another room of the person was deleted: nothing of it may stay in what was told here."""
        found = self._look(name)
        if found is not None:
            found.elsewhere = None
            now = self._assess(name, found)
            found.theirs.told, found.answered = at_most(found.theirs.told, now), at_most(found.answered, now)
            self._save(name, found)

    # Memory and disk

    def _conversation(self, room: str, person: str) -> _Open:
        name = self._name(room, person)
        found = self._look(name)
        if found is None:
            found = _Open(self._digest(room), "", Conversation(self._reader), Conversation(self._reader))
        found.person = self._digest(f"\n{person}")
        if name not in self._open:
            self._open[name] = found
            while len(self._open) > _OPEN:
                oldest, closed = self._open.popitem(last=False)
                if closed.unsaved:
                    self._save(oldest, closed)
        self._open.move_to_end(name)
        return found

    def _look(self, name: str) -> _Open | None:
        """Return what is kept of a conversation, without keeping it in memory; `None` where there is nothing."""
        if name in self._open:
            return self._open[name]
        stored = self._read(_PREFIX + name, _Kept)
        if stored is None:
            return None
        try:
            theirs = Conversation.decode(self._reader, stored.theirs)
            own = Conversation.decode(self._reader, stored.own)
        except BadState as error:
            log.warning("The state of a conversation is begun anew: %s", error)
            return None
        return _Open(stored.room, stored.person, theirs, own, stored.direct, stored.answered)

    def _save(self, name: str, found: _Open) -> None:
        score = found.theirs.score(own_age=self._settings.group.age)
        if found.direct:
            self._rooms_of(found.person)[name] = score
        theirs, own = found.theirs.encode(), found.own.encode()
        stored = _Kept(found.room, theirs, own, found.person, found.direct, score, found.answered)
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
