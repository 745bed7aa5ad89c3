"""How a side of a conversation sounds as a whole, kept in a few numbers.

Of what sounds like an approach, only highest values are kept: the loudest messages, the highest run (Page's cumulative
sum, Biometrika 1954) and the highest recent mean. So nothing harmless that the other person adds takes anything back;
only time does. Of what the own user writes, means are kept: they may rise and fall.
"""

from __future__ import annotations

from typing import Final

import msgspec

#: So many of the loudest messages are kept.
LOUDEST: Final = 5
#: Log-odds from which a message counts among the loudest, below 0, and the most that one message counts.
_FAINT: Final = 3.0
_MOST: Final = 6.0
#: After so many messages of the same side, a message counts half in a recent mean.
_RECENT: Final = 8
#: Messages that a mean takes to have said nothing before it began.
_DOUBT: Final = 3.0


class Mean(msgspec.Struct, array_like=True):
    """A mean of numbers that counts old ones less; drawn to 0 while there are few."""

    total: float = 0.0
    number: float = 0.0

    def add(self, value: float, keep: float) -> None:
        """Add a number; what was there counts `keep` of what it did."""
        self.total = self.total * keep + value
        self.number = self.number * keep + 1.0

    @property
    def value(self) -> float:
        """The mean."""
        return self.total / (self.number + _DOUBT)


class Hearing(msgspec.Struct):
    """What was heard from one side. All values are log-odds."""

    loudest: list[float] = []
    """How far the messages that sound most like an approach stand above the faintest, the loudest first."""
    run: float = 0.0
    highest_run: float = 0.0
    recent: Mean = msgspec.field(default_factory=Mean)
    highest_recent: float = 0.0
    known: Mean = msgspec.field(default_factory=Mean)
    """What speaks for writing to somebody harmless."""
    recently_known: Mean = msgspec.field(default_factory=Mean)

    def hear_approach(self, odds: float) -> None:
        """Take in how much a message sounds like an approach."""
        odds = min(max(odds, -_MOST), _MOST)
        if odds > -_FAINT:
            self.loudest = sorted((*self.loudest, odds + _FAINT), reverse=True)[:LOUDEST]
        self.run = max(0.0, self.run + odds)
        self.highest_run = max(self.highest_run, self.run)
        self.recent.add(odds, _KEEP)
        self.highest_recent = max(self.highest_recent, self.recent.value)

    def hear_known(self, odds: float) -> None:
        """Take in how much a message reads as written to somebody harmless."""
        odds = min(max(odds, -_MOST), _MOST)
        self.known.add(odds, 1.0)
        self.recently_known.add(odds, _KEEP)

    def fade(self, left: float) -> None:
        """Let everything count `left` of what it did."""
        self.loudest = [odds * left for odds in self.loudest]
        self.run *= left
        self.highest_run *= left
        self.highest_recent *= left
        for mean in (self.recent, self.known, self.recently_known):
            mean.total *= left
            mean.number *= left

    def join(self, other: Hearing, left: float) -> None:
        """Take in what was heard of the same side elsewhere, of which `left` still counts."""
        self.loudest = sorted((*self.loudest, *(odds * left for odds in other.loudest)), reverse=True)[:LOUDEST]
        self.run = max(self.run, other.run * left)
        self.highest_run = max(self.highest_run, other.highest_run * left)
        self.highest_recent = max(self.highest_recent, other.highest_recent * left)
        for mean, more in (
            (self.recent, other.recent),
            (self.known, other.known),
            (self.recently_known, other.recently_known),
        ):
            mean.total += more.total * left
            mean.number += more.number * left


_KEEP: Final = 0.5 ** (1 / _RECENT)
