"""When to speak: early, but not twice for the same thing."""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from tutela.signals.conversation.model import Model

#: A level that was told is told again only when the sum of terms has grown by so much since: e to its power in odds.
AGAIN: Final = 1.0


class Level(enum.IntEnum):
    """How the guard speaks. It never shows more of itself than this."""

    QUIET = 0
    TIP = 1
    NUDGE = 2
    WARNING = 3

    @property
    def word(self) -> str:
        """Its name in JSON and addresses."""
        return self.name.lower()


class Told(msgspec.Struct):
    """What was told so far in one conversation."""

    level: int = 0
    score: float = 0.0
    """The sum of terms when it was told."""


def level(model: Model, score: float, *, grave: bool) -> Level:
    """Return the level of a sum of terms. `grave`: a threat or a push to self-harm is among what was seen."""
    thresholds = model.thresholds
    if score >= thresholds.warning or (grave and score >= thresholds.nudge):
        return Level.WARNING
    if score >= thresholds.nudge:
        return Level.NUDGE
    return Level.TIP if score >= thresholds.tip else Level.QUIET


def speaks(told: Told, now: Level, score: float) -> bool:
    """Tell whether the user is told anything now: on a higher level, or on the same after much more was seen."""
    if now is Level.QUIET:
        return False
    return now > told.level or (now == told.level and now > Level.TIP and score >= told.score + AGAIN)
