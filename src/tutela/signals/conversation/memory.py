"""What is kept of one conversation: counts that fade, never text beyond a few words. Constant in size.

What fades, fades with time and with the messages of the device's own user, so that the other person cannot dilute
what they wrote by writing more.
"""

from __future__ import annotations

import hashlib
import math
from typing import Final, NamedTuple

import msgspec

from tutela.signals.conversation.errors import BadState
from tutela.signals.conversation.hearing import Hearing
from tutela.signals.conversation.lexicon import Reading
from tutela.signals.conversation.message import Message, Side
from tutela.signals.conversation.stages import stage_ids, stage_of
from tutela.signals.conversation.tagger import APPROACH, KNOWN, SILENCE, Sound

#: After so many messages of the own user, or so long, a sign counts half.
HALF_MESSAGES: Final = 150
HALF_TIME: Final = 45 * 86_400_000
_EVIDENCE: Final = 3
_REMEMBERED: Final = 128
_TAIL_FOR: Final = 10 * 60_000
_NIGHT: Final = frozenset((22, 23, 0, 1, 2, 3, 4, 5))
_LONGEST_ID: Final = 255
VERSION: Final = 2
#: A message that sounds so much like a stage is evidence of it.
_CLEARLY: Final = 0.5


class Tally(msgspec.Struct):
    """How often one signal was seen: `amount` fades, `times` does not."""

    amount: float = 0.0
    times: int = 0
    evidence: list[str] = []
    """Ids of the last messages that showed it."""

    def add(self, amount: float, message: str | None) -> None:
        """Count it once more; `message` is the id of the evidence, if it is any."""
        self.amount += amount
        self.times += 1
        if message is not None:
            self.evidence = [*self.evidence, message[:_LONGEST_ID]][-_EVIDENCE:]


class Writer(msgspec.Struct):
    """What is known of one side."""

    messages: int = 0
    questions: float = 0.0
    night: float = 0.0
    age: int | None = None
    """The last age that they stated."""
    languages: dict[str, float] = {}
    tail: tuple[str, ...] = ()
    tail_time: int = 0
    signals: dict[str, Tally] = {}
    sounds: dict[str, Tally] = {}
    """By stage: how much the tagger heard."""
    hearing: Hearing = msgspec.field(default_factory=Hearing)


class Seen(msgspec.Struct, array_like=True):
    """A message that was read: a digest of its id and of its text, and the signals and sounds it counted for."""

    id: bytes
    text: bytes
    signals: list[str]
    sounds: dict[str, float]


class Shown(NamedTuple):
    """What a message newly shows."""

    signals: tuple[str, ...] = ()
    sounds: tuple[str, ...] = ()
    """The stages that it sounds like."""

    @property
    def stages(self) -> frozenset[str]:
        """Return the stages that it shows in one way or the other."""
        return frozenset((*(stage_of()[signal].id for signal in self.signals), *self.sounds))


class Memory(msgspec.Struct):
    """The state of one conversation."""

    version: int = VERSION
    own: Writer = msgspec.field(default_factory=Writer)
    other: Writer = msgspec.field(default_factory=Writer)
    faded: int = 0
    """The latest time that was seen, in milliseconds."""
    seen: list[Seen] = msgspec.field(default_factory=list)

    def writer(self, side: Side) -> Writer:
        """Return what is kept of one side."""
        return self.own if side is Side.OWN else self.other

    def tail(self, message: Message) -> tuple[str, ...]:
        """Return the last words of the same writer, if they may go on in this message."""
        writer = self.writer(message.side)
        recent = abs(message.time - writer.tail_time) <= _TAIL_FOR
        return writer.tail if recent else ()

    def known(self, message: Message) -> Seen | None:
        """Return what this message's id counted for, if it was read not long ago."""
        digest = _digest(message.id)
        return next((seen for seen in reversed(self.seen) if seen.id == digest), None)

    def repeats(self, message: Message) -> bool:
        """Tell whether this very message was read already."""
        seen = self.known(message)
        return seen is not None and seen.text == _digest(message.text)

    def take(self, message: Message, reading: Reading, sound: Sound) -> Shown:
        """Count one message and what it sounds like; return what it newly shows."""
        seen = self.known(message)
        self._fade(message)
        writer = self.writer(message.side)
        if seen is None:
            writer.messages += 1
            writer.questions += reading.asks
            writer.night += message.hour in _NIGHT
            writer.tail, writer.tail_time = reading.tail, message.time
            seen = Seen(_digest(message.id), b"", [], {})
            self.seen.append(seen)
            del self.seen[:-_REMEMBERED]
        seen.text = _digest(message.text)
        writer.age = reading.age if reading.age is not None else writer.age
        new = tuple(signal for signal in reading.signals if signal not in seen.signals)
        seen.signals.extend(new)
        for signal in new:
            writer.signals.setdefault(signal, Tally(evidence=[])).add(1.0, message.id)
        if sound is not SILENCE:
            self._hear(message.side, seen, sound)
        louder = {stage: share for stage, share in sound.stages.items() if share > seen.sounds.get(stage, 0.0)}
        for stage, share in louder.items():
            more = share - seen.sounds.get(stage, 0.0)  # an edited message counts by as much as it sounds worse
            seen.sounds[stage] = share
            writer.sounds.setdefault(stage, Tally(evidence=[])).add(more, message.id if share >= _CLEARLY else None)
        return Shown(new, tuple(louder))

    def _hear(self, side: Side, seen: Seen, sound: Sound) -> None:
        """Take in how a message sounds as a whole: like an approach, or written to somebody harmless."""
        if side is Side.OTHER and sound.approach > seen.sounds.get(APPROACH, -math.inf):  # an edit counts if worse
            self.other.hearing.hear_approach(sound.approach)
            seen.sounds[APPROACH] = sound.approach
        if side is Side.OWN and KNOWN not in seen.sounds:
            self.own.hearing.hear_known(sound.known)
            seen.sounds[KNOWN] = sound.known

    def _fade(self, message: Message) -> None:
        passed = max(0, message.time - self.faded) if self.faded else 0
        self.faded = max(self.faded, message.time)
        left = 0.5 ** (passed / HALF_TIME + (message.side is Side.OWN) / HALF_MESSAGES)
        if left == 1.0:
            return
        for writer in (self.own, self.other):
            writer.questions *= left
            writer.night *= left
            writer.hearing.fade(left)
            for tally in (*writer.signals.values(), *writer.sounds.values()):
                tally.amount *= left

    def encode(self) -> bytes:
        """Return the state as bytes (MessagePack)."""
        return _ENCODER.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Memory:
        """Read a saved state. Raises `BadState`."""
        try:
            memory = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadState(f"The saved state of a conversation cannot be read: {error}.") from error
        if memory.version != VERSION:
            raise BadState(f"The saved state of a conversation has version {memory.version}; this one reads {VERSION}.")
        for writer in (memory.own, memory.other):  # a signal may have gone since
            writer.signals = {name: tally for name, tally in writer.signals.items() if name in stage_of()}
            writer.sounds = {name: tally for name, tally in writer.sounds.items() if name in stage_ids()}
        return memory


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Memory)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
