"""A labelled chat as the guard would have met it, from the first message on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tutela.research.chats import Chat
from tutela.signals.conversation.conversation import Conversation, Reader, grave
from tutela.signals.conversation.decision import Level, level
from tutela.signals.conversation.features import features
from tutela.signals.conversation.memory import Memory, Tally
from tutela.signals.conversation.message import Message, Side
from tutela.signals.conversation.model import Model
from tutela.signals.conversation.stages import stage_of

#: In a room of many, at most so many authors are looked at, those with the most messages.
AUTHORS: Final = 12
_MINUTE: Final = 60_000

Features = dict[str, float]


@dataclass(frozen=True)
class Step:
    """What was known after a message that showed something new: its place among all messages, from 1."""

    place: int
    features: Features
    grave: bool


@dataclass(frozen=True)
class Walk:
    """One person's behaviour through a chat."""

    author: str
    steps: tuple[Step, ...]
    messages: int
    request: int | None
    """The place of the first line whose ground truth is `request`, where the corpus tells."""
    lines: tuple[tuple[str, bool], ...] = ()
    """The stage of each line that the corpus marks, and whether the guard saw that stage in that line."""

    def score(self, model: Model, before: int | None = None) -> float:
        """Return the highest sum of terms, or the highest before a place."""
        scores = [model.score(step.features) for step in self.steps if before is None or step.place < before]
        return max(scores, default=model.bias)

    def reached(self, model: Model, wanted: Level) -> int | None:
        """Return the place of the message at which the guard came to speak on this level, if it did."""
        for step in self.steps:
            if level(model, model.score(step.features), grave=step.grave) >= wanted:
                return step.place
        return None


@dataclass(frozen=True)
class Replay:
    """A chat and the walks of those whose behaviour counts: the suspects, or everybody where nobody is one."""

    chat: Chat
    walks: tuple[Walk, ...] = field(default=())

    def worst(self, model: Model) -> float:
        """Return the highest sum of terms of anybody."""
        return max((walk.score(model) for walk in self.walks), default=model.bias)

    def first(self, model: Model, wanted: Level) -> int | None:
        """Return the first place at which the guard spoke on this level about anybody."""
        using = model if self.chat.authors_known else model.without_speakers()
        places = [place for walk in self.walks if (place := walk.reached(using, wanted)) is not None]
        return min(places, default=None)


def replay(chat: Chat, reader: Reader) -> Replay:
    """Read a chat. In a harmless one, and where nobody is marked, everybody is the other person once."""
    if not chat.authors_known:
        return Replay(chat, (_pooled(chat, reader),))
    everybody = chat.authors
    if chat.kind:  # a script: `other` is the other person, `user` the device's own
        everybody = tuple(author for author in everybody if author == "other")
    often = sorted(everybody, key=lambda author: -sum(turn.author == author for turn in chat.turns))[:AUTHORS]
    looked_at = [author for author in everybody if author in chat.suspects] or often
    return Replay(chat, tuple(_walk(chat, author, reader) for author in looked_at))


def messages(chat: Chat, author: str) -> Iterator[Message]:
    """Yield a chat as messages of `author` to the others. Without times, a message a minute."""
    for place, turn in enumerate(chat.turns, 1):
        side = Side.OTHER if turn.author == author else Side.OWN
        yield Message(str(place), side, turn.text, turn.time if turn.time is not None else place * _MINUTE)


def _walk(chat: Chat, author: str, reader: Reader) -> Walk:
    conversation = Conversation(reader)
    steps = []
    lines = []
    for place, (turn, message) in enumerate(zip(chat.turns, messages(chat, author), strict=True), 1):
        shown = conversation.take(message)
        if any(shown):
            steps.append(_step(place, conversation.memory))
        if turn.stage is not None and turn.author == author:
            lines.append((turn.stage, turn.stage in shown.stages))
    request = next((place for place, turn in enumerate(chat.turns, 1) if turn.stage == "request"), None)
    return Walk(author, tuple(steps), len(chat.turns), request, tuple(lines))


def _pooled(chat: Chat, reader: Reader) -> Walk:
    """Read a text in which nobody knows who spoke: every piece as the other person's, and what only the own user's
    messages could show, where it raises the risk, as theirs."""
    conversation = Conversation(reader)
    steps = []
    for place, turn in enumerate(chat.turns, 1):
        if not any(conversation.take(Message(str(place), Side.OTHER, turn.text, place * _MINUTE))):
            continue
        memory = conversation.memory
        memory.own.signals = {
            name: Tally(tally.amount, tally.times)
            for name, tally in memory.other.signals.items()
            if stage_of()[name].by == "own" and not stage_of()[name].lowers
        }
        steps.append(_step(place, memory))
    return Walk("", tuple(steps), len(chat.turns), None)


def _step(place: int, memory: Memory) -> Step:
    return Step(place, features(memory), grave(memory))
