"""What one person shows in several rooms, weighed as if it had been one. Pure.

The state of each room stays apart, so that deleting a room deletes all that came from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from tutela.signals.conversation.conversation import Assessment, Conversation, Reader
from tutela.signals.conversation.decision import Told, speaks
from tutela.signals.conversation.memory import HALF_TIME, Memory, Tally, Writer
from tutela.signals.conversation.message import Message, Side

#: So many of a person's other rooms are read, those that show the most. More would take time, and nobody has them.
MOST: Final = 64


@dataclass(frozen=True)
class Elsewhere:
    """What is known of somebody from their other rooms."""

    memory: Memory | None = None
    """All of it together, as of its time `faded`, without evidence."""
    answered: Told = Told()  # noqa: RUF009 (never changed in place)
    """The gravest of what the user was told there and has answered."""


def read(
    reader: Reader, here: Conversation, elsewhere: Elsewhere, message: Message, *, own_age: int | None
) -> Assessment:
    """Read a message into the room where it was written, and decide by all rooms together."""
    told = here.told
    made = here.read(message, own_age=own_age)
    if elsewhere.memory is not None and (made.new or made.heard):
        whole = assess(reader, here, elsewhere, own_age=own_age)
        before = max(told, elsewhere.answered, key=gravity)
        made = replace(whole, speaks=speaks(before, whole.level, whole.score), new=made.new, heard=made.heard)
        here.told = Told(int(made.level), made.score) if made.speaks else told
    if message.side is Side.OWN:
        here.told = told  # the user is told at the other person's next sign: nothing is shown at their own message
    return made


def assess(reader: Reader, here: Conversation, elsewhere: Elsewhere, *, own_age: int | None) -> Assessment:
    """Return the present assessment of all rooms together, with its reasons; evidence is only what lies here."""
    if elsewhere.memory is None:
        return here.assess(own_age=own_age)
    return Conversation(reader, together(here.memory, elsewhere.memory)).assess(own_age=own_age)


def pooled(memories: Iterable[Memory], now: int) -> Memory:
    """Return what several rooms show, as of a time of the room that asks, in the size of one.

    A message in one of them that is dated wrongly fades nothing of the others.
    """
    whole = Memory(own=Writer(), other=Writer(), faded=now)
    for memory in sorted(memories, key=lambda one: one.faded):
        _add(whole, memory, now)
    return whole


def together(here: Memory, elsewhere: Memory) -> Memory:
    """Return what is kept of a room with what was shown elsewhere, as if all had been written here."""
    whole = pooled((elsewhere,), here.faded)
    _add(whole, here, here.faded, evidence=True)
    return whole


def _add(whole: Memory, memory: Memory, now: int, *, evidence: bool = False) -> None:
    left = 0.5 ** (max(0, now - memory.faded) / HALF_TIME) if memory.faded else 1.0
    for into, writer in ((whole.own, memory.own), (whole.other, memory.other)):
        into.messages += writer.messages
        into.questions += writer.questions * left
        into.night += writer.night * left
        into.age = writer.age if writer.age is not None else into.age
        into.hearing.join(writer.hearing, left)
        for tallies, more in ((into.signals, writer.signals), (into.sounds, writer.sounds)):
            for name, tally in more.items():
                sum_ = tallies.setdefault(name, Tally(evidence=[]))
                sum_.amount += tally.amount * left
                sum_.times += tally.times
                sum_.evidence = [*tally.evidence] if evidence else sum_.evidence


def gravity(told: Told) -> tuple[int, float]:
    """Order what was told: by its level, then by how much had been seen."""
    return told.level, told.score


def at_most(told: Told, now: Assessment) -> Told:
    """Return what was told, as if no more had been seen then than now: some of it was deleted since."""
    return Told(min(told.level, int(now.level)), min(told.score, now.score))
