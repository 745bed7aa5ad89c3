"""A pause before one's own message goes out, by one's own behaviour alone.

What the other person writes is never looked at, nor who they are or how old: else the pause would tell its user that
somebody is a child. So the same messages lead to the same pause, whoever they go to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from tutela.language import N_, Words
from tutela.signals.conversation.conversation import Conversation, Reader
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.message import Message, Side
from tutela.signals.conversation.stages import stage_of

#: An opening is what somebody shows in their first messages to a person.
OPENING_MESSAGES: Final = 30
#: Openings are alike where they share at least two stages and this share of all (Jaccard).
ALIKE: Final = 0.6
#: From so many people approached alike within the time, the brake comes earlier.
MANY: Final = 4
_WITHIN: Final = 14 * 86_400_000
_KEPT: Final = 64
#: Stages that show a push and not only interest.
_PUSHING: Final = frozenset(("secrecy", "risk", "request", "pressure", "threat", "self-harm", "intimacy"))


class Opening(msgspec.Struct):
    """How the user began with one person: the stages shown, and when. `person` is a keyed digest."""

    person: str
    begun: int
    stages: list[str]
    messages: int = 0


class Openings(msgspec.Struct):
    """The last openings of this device's user."""

    openings: list[Opening] = msgspec.field(default_factory=list)

    def note(self, person: str, stages: frozenset[str], time: int) -> None:
        """Take one own message into account."""
        found = next((opening for opening in self.openings if opening.person == person), None)
        if found is None:
            found = Opening(person, time, [])
            self.openings = [*self.openings, found][-_KEPT:]
        found.messages += 1
        if found.messages <= OPENING_MESSAGES:
            found.stages = sorted({*found.stages, *stages})

    def alike(self, person: str, time: int) -> int:
        """Return how many people were approached as this one was, this one included."""
        own = next((set(o.stages) for o in self.openings if o.person == person), set())
        recent = [set(o.stages) for o in self.openings if time - o.begun <= _WITHIN]
        return sum(len(own & other) >= 2 and len(own & other) / len(own | other) >= ALIKE for other in recent)

    def forget(self, person: str) -> None:
        """Forget one person."""
        self.openings = [opening for opening in self.openings if opening.person != person]


@dataclass(frozen=True)
class Pause:
    """What a sender sees before their message goes out. They can send it all the same."""

    threat: bool
    many: bool

    def title(self, words: Words) -> str:
        """Return the heading."""
        return words.text(N_("Before you send this"))

    def text(self, words: Words) -> str:
        """Return what is said."""
        first = (
            N_("Threatening somebody, or asking for money or pictures with threats, is a crime almost everywhere.")
            if self.threat
            else N_(
                "Read it once more as the other person would. They may feel pushed, and they may not dare to say no."
            )
        )
        more = [N_("You have written to several people in this way.")] if self.many else []
        last = N_("If you worry about what you feel or do, there are people who listen and do not judge.")
        return " ".join(words.text(sentence) for sentence in (first, *more, last))

    def facts(self, words: Words) -> dict[str, object]:
        """Return what is shown, as JSON tells it."""
        return {"title": self.title(words), "text": self.text(words), "choices": ["send", "keep"]}


def brake(reader: Reader, own: Conversation, openings: Openings, person: str, message: Message) -> Pause | None:
    """Return the pause before `message`, if there is one. `own` has read the user's messages before it, and no others.

    Nothing is changed: a message that is not sent leaves no trace.
    """
    trial = Conversation.decode(reader, own.encode())
    new = trial.take(_mirrored(message))
    shown = {stage_of()[signal].id for signal in new.signals}
    if not shown & _PUSHING:
        return None
    level = trial.assess().level
    many = openings.alike(person, message.time) >= MANY
    if level >= Level.NUDGE or (many and level >= Level.TIP):
        return Pause("threat" in shown or "self-harm" in shown, many)
    return None


def sent(own: Conversation, openings: Openings, person: str, message: Message) -> None:
    """Take a message that was sent into account."""
    stages = frozenset(stage_of()[signal].id for signal in own.take(_mirrored(message)).signals)
    openings.note(person, stages, message.time)


def _mirrored(message: Message) -> Message:
    """Return the user's message as if it were the other person's: the model looks at behaviour, whoever shows it."""
    return Message(message.id, Side.OTHER, message.text, message.time)
