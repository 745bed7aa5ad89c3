"""One conversation, read message by message: the guard's core. Pure; its state is `Memory` and `Told`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from tutela.signals.conversation.decision import Level, Told, level, speaks
from tutela.signals.conversation.errors import BadState
from tutela.signals.conversation.features import features
from tutela.signals.conversation.languages import Identifier, followed, plausible
from tutela.signals.conversation.lexicon import Lexicon
from tutela.signals.conversation.memory import Memory, Shown, Tally
from tutela.signals.conversation.message import Message
from tutela.signals.conversation.model import Model
from tutela.signals.conversation.stages import Stage, stage_of, stages
from tutela.signals.conversation.tagger import Tagger

#: A stage that no phrase showed is a reason only from so much that sounds like it.
_HEARD: Final = 0.5
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
    """The strongest first; only where the user is told now, and where they were asked for."""
    new: tuple[str, ...]
    """The signals that this message newly shows."""
    heard: tuple[str, ...] = ()
    """The stages that it sounds like."""


@dataclass(frozen=True)
class Reader:
    """Everything that is the same for all conversations."""

    lexicon: Lexicon
    identifier: Identifier
    tagger: Tagger
    model: Model


def grave(memory: Memory) -> bool:
    """Tell whether the other person threatened, or pushed towards self-harm."""
    other = memory.other
    return any(stage_of()[signal].id in _GRAVE for signal in other.signals) or any(
        _clear(other.sounds.get(stage)) for stage in _GRAVE
    )


def _clear(heard: Tally | None) -> bool:
    return heard is not None and heard.amount >= _HEARD


class Conversation:
    """The guard's view of one conversation with one person."""

    def __init__(self, reader: Reader, memory: Memory | None = None, told: Told | None = None) -> None:
        self._reader = reader
        self.memory = memory or Memory()
        self.told = told or Told()

    def read(self, message: Message, *, own_age: int | None = None) -> Assessment:
        """Read one message and return what it makes of the conversation. A message read before changes nothing."""
        shown = Shown()
        if not self.memory.repeats(message):
            shown = self.take(message)
        assessment = self._weighed(own_age, shown)
        if assessment.speaks:
            self.told = Told(int(assessment.level), assessment.score)
        return assessment

    def take(self, message: Message) -> Shown:
        """Read one message into the memory, without deciding anything; return what it newly shows."""
        writer = self.memory.writer(message.side)
        shares = self._reader.identifier.probabilities(message.text)
        languages = plausible(shares, writer.languages)
        reading = self._reader.lexicon.read(message.text, self.memory.tail(message), languages)
        writer.languages = followed(writer.languages, shares)
        return self.memory.take(message, reading, self._reader.tagger.read(reading.raw, languages))

    def assess(self, *, own_age: int | None = None) -> Assessment:
        """Return the present assessment, with its reasons on every level, without reading anything."""
        return self._weighed(own_age, Shown(), explained=True)

    def score(self, *, own_age: int | None = None) -> float:
        """Return the present sum of terms."""
        return self._reader.model.score(features(self.memory, own_age=own_age))

    def _weighed(self, own_age: int | None, shown: Shown, *, explained: bool = False) -> Assessment:
        seen = features(self.memory, own_age=own_age)
        model = self._reader.model
        score = model.score(seen)
        now = level(model, score, grave=grave(self.memory))
        speaking = any(shown) and speaks(self.told, now, score)
        return Assessment(
            now,
            speaking,
            model.calibrated(score),
            score,
            self._reasons(seen) if speaking or explained else (),
            shown.signals,
            shown.sounds,
        )

    def _reasons(self, seen: Mapping[str, float]) -> tuple[Reason, ...]:
        parts = self._reader.model.parts(seen)
        found = []
        for stage in stages():
            if stage.by != "other" or stage.id not in parts:
                continue
            other = self.memory.other
            tallies = {s.id: other.signals[s.id] for s in stage.signal if s.id in other.signals}
            heard = other.sounds.get(stage.id)
            if not tallies and not _clear(heard):
                continue
            shown = [*tallies.values()] if heard is None else [*tallies.values(), heard]
            evidence = dict.fromkeys(one for tally in shown for one in tally.evidence)
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
