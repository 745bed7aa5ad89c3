"""One conversation, read message by message: the guard's core. Pure; its state is `Memory` and `Told`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from tutela.signals.conversation.decision import Level, Told, level, speaks
from tutela.signals.conversation.errors import BadState
from tutela.signals.conversation.features import features
from tutela.signals.conversation.languages import Identifier, followed, plausible
from tutela.signals.conversation.lexicon import Lexicon
from tutela.signals.conversation.memory import Memory
from tutela.signals.conversation.message import Message
from tutela.signals.conversation.model import Model
from tutela.signals.conversation.stages import Stage, stages

_GRAVE: Final = frozenset(("threat", "self-harm"))


@dataclass(frozen=True)
class Reason:
    """A stage that was seen, how much it adds, and the messages that show it. The messages never leave the device."""

    stage: Stage
    signals: tuple[str, ...]
    part: float
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Assessment:
    """What the guard makes of a conversation after a message."""

    level: Level
    speaks: bool
    """Whether the user is told now."""
    probability: float
    """For tests, training and developers: never shown to a user."""
    score: float
    reasons: tuple[Reason, ...]
    """The strongest first."""
    new: tuple[str, ...]
    """The signals that this message newly shows."""


@dataclass(frozen=True)
class Reader:
    """Everything that is the same for all conversations."""

    lexicon: Lexicon
    identifier: Identifier
    model: Model


class Conversation:
    """The guard's view of one conversation with one person."""

    def __init__(self, reader: Reader, memory: Memory | None = None, told: Told | None = None) -> None:
        self._reader = reader
        self.memory = memory or Memory()
        self.told = told or Told()
        self._last: tuple[tuple[int | None, ...], Assessment] | None = None

    def read(self, message: Message, *, own_age: int | None = None) -> Assessment:
        """Read one message and return what it makes of the conversation. A message read before changes nothing."""
        new: tuple[str, ...] = ()
        if not self.memory.repeats(message):
            new = self.take(message)
        assessment = self.assess(own_age=own_age, new=new)
        if assessment.speaks:
            self.told = Told(int(assessment.level), assessment.score)
        return assessment

    def take(self, message: Message) -> tuple[str, ...]:
        """Read one message into the memory, without deciding anything; return the signals that it newly shows."""
        writer = self.memory.writer(message.side)
        shares = self._reader.identifier.probabilities(message.text)
        languages = plausible(shares, writer.languages)
        reading = self._reader.lexicon.read(message.text, self.memory.tail(message), languages)
        writer.languages = followed(writer.languages, shares)
        return self.memory.take(message, reading)

    def assess(self, *, own_age: int | None = None, new: tuple[str, ...] = ()) -> Assessment:
        """Return the present assessment without reading anything."""
        asked = (own_age, self.memory.own.age, self.memory.other.age)
        if not new and self._last is not None and self._last[0] == asked:
            return self._last[1]  # what fades meanwhile is taken into account when something new is seen
        made = self._assess(own_age, new)
        self._last = asked, replace(made, speaks=False, new=())
        return made

    def _assess(self, own_age: int | None, new: tuple[str, ...]) -> Assessment:
        seen = features(self.memory, own_age=own_age)
        model = self._reader.model
        score = model.score(seen)
        reasons = self._reasons(model.parts(seen))
        now = level(model, score, grave=any(reason.stage.id in _GRAVE for reason in reasons))
        return Assessment(
            now, bool(new) and speaks(self.told, now, score), model.calibrated(score), score, reasons, new
        )

    def _reasons(self, parts: dict[str, float]) -> tuple[Reason, ...]:
        found = []
        for stage in stages():
            if stage.by != "other" or stage.id not in parts:
                continue
            tallies = {s.id: self.memory.other.signals[s.id] for s in stage.signal if s.id in self.memory.other.signals}
            evidence = dict.fromkeys(one for tally in tallies.values() for one in tally.evidence)
            found.append(Reason(stage, tuple(tallies), parts[stage.id], tuple(evidence)))
        return tuple(sorted(found, key=lambda reason: -reason.part))

    def encode(self) -> bytes:
        """Return the state as bytes, to be stored encrypted."""
        return _ENCODER.encode((self.memory.encode(), self.told))

    @classmethod
    def decode(cls, reader: Reader, data: bytes) -> Conversation:
        """Go on from a saved state. Raises `BadState`."""
        try:
            memory, told = _DECODER.decode(data)
        except msgspec.DecodeError as error:
            raise BadState(f"The saved state of a conversation cannot be read: {error}.") from error
        return cls(reader, Memory.decode(memory), told)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(tuple[bytes, Told])
