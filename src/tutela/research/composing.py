"""Conversations composed from the banks of `synthesis/`: approaches along a plan of stages, and harmless twins.

What it can show: that the guard reads behaviour in many wordings, styles and orders. What it cannot: how often such
behaviour occurs in real chats, or how offenders write. docs/conversation.md says so beside every figure.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

import msgspec

from tutela.research.chats import Chat, Turn
from tutela.research.errors import BadScript
from tutela.research.scripts import START, filled

#: Languages with a bank.
BANKS: Final = ("en", "fr", "es", "de", "nl", "pt", "it")
#: Stages that come early, in the middle and late, in no fixed order within.
_EARLY: Final = ("age", "flattery", "gifts", "moving")
_MIDDLE: Final = ("isolation", "secrecy", "risk", "moving", "flattery")
_LATE: Final = ("pressure", "threat", "self-harm")


class Lines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the two sides write."""

    other: tuple[str, ...]
    user: tuple[str, ...]
    open: tuple[str, ...] = ()


class Bank(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lines of one language."""

    language: str
    slots: dict[str, tuple[str, ...]]
    approach: dict[str, Lines]
    harmless: dict[str, Lines]
    smalltalk: Lines
    opening: Lines


@lru_cache
def bank(language: str) -> Bank:
    """Return the bank of a language. Raises `BadScript`."""
    file = resources.files("tutela.research.synthesis").joinpath(f"{language}.toml")
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Bank)
    except FileNotFoundError:
        raise BadScript(f"There is no bank for “{language}”.", hint=f"There are: {', '.join(BANKS)}.") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadScript(f"The bank {language}.toml cannot be read: {error}.") from error


def compose(count: int, *, languages: Sequence[str] = BANKS, approaches: float = 0.5, seed: int = 14) -> Iterator[Chat]:
    """Yield `count` conversations; the same seed gives the same ones."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    for number in range(count):
        language = languages[number % len(languages)]
        style = Style.drawn(rng)
        if rng.random() < approaches:
            yield _approach(bank(language), style, rng, number)
        else:
            yield _harmless(bank(language), style, rng, number)


def plan(rng: random.Random) -> list[str]:
    """Draw the order of stages of one approach; not every stage occurs, and some come back."""
    early = rng.sample(_EARLY, rng.randint(1, 3))
    middle = [stage for stage in rng.sample(_MIDDLE, rng.randint(1, 4)) if stage not in early]
    before = [*early, *middle]
    if rng.random() < 0.3:
        rng.shuffle(before)
    stages = [stage for stage in before for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.7:
        stages += ["request"] * rng.randint(1, 3)
        if rng.random() < 0.6:
            stages += rng.choices(_LATE, weights=(5, 3, 1), k=rng.randint(1, 4))
    return stages


@dataclass(frozen=True)
class Style:
    """How one writer types: shares of words that are mistyped or drawn out, and of lines that are sent in two."""

    lower: bool
    bare: bool
    typos: float
    stretched: float
    split: float

    @classmethod
    def drawn(cls, rng: random.Random) -> Style:
        """Draw a style."""
        return cls(
            lower=rng.random() < 0.6,
            bare=rng.random() < 0.5,
            typos=rng.choice((0.0, 0.0, 0.03, 0.08)),
            stretched=rng.choice((0.0, 0.0, 0.05)),
            split=rng.choice((0.0, 0.1, 0.3)),
        )

    def typed(self, text: str, rng: random.Random) -> list[str]:
        """Return the one or two messages in which this writer sends a line."""
        if self.lower:
            text = text.lower()
        if self.bare:
            text = text.translate({ord(c): None for c in ".,!’'¿¡"})
        words = [self._slip(word, rng) for word in text.split()]
        if len(words) >= 6 and rng.random() < self.split:
            cut = rng.randint(2, len(words) - 2)
            return [" ".join(words[:cut]), " ".join(words[cut:])]
        return [" ".join(words)] if words else []

    def _slip(self, word: str, rng: random.Random) -> str:
        if len(word) >= 5 and rng.random() < self.typos:
            place = rng.randint(1, len(word) - 2)
            kind = rng.randint(0, 2)
            if kind == 0:
                return word[:place] + word[place + 1 :]
            if kind == 1:
                return word[:place] + word[place] + word[place:]
            return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        if len(word) >= 2 and rng.random() < self.stretched:
            return word + word[-1] * rng.randint(1, 3)
        return word


class _Writing:
    """A conversation as it grows."""

    def __init__(self, lines: Bank, style: Style, rng: random.Random) -> None:
        self._slots: Mapping[str, Sequence[str]] = lines.slots
        self._styles = {"other": style, "user": Style.drawn(rng)}
        self._rng = rng
        self._time = START + rng.randint(0, 5 * 24) * 3_600_000
        self._used: set[str] = set()
        self.turns: list[Turn] = []

    def say(self, author: str, among: Sequence[str], stage: str | None = None) -> None:
        """Add a line that was not said yet, if there is one."""
        fresh = [line for line in among if line not in self._used]
        if not fresh:
            return
        line = self._rng.choice(fresh)
        self._used.add(line)
        self._time += self._rng.choice((5, 20, 60, 60, 120, 600, 3600)) * 1000
        for text in self._styles[author].typed(filled(line, self._slots, self._rng), self._rng):
            self.turns.append(Turn(author, text, self._time, stage))
            self._time += 2_000

    def pause(self) -> None:
        """Let a night or a weekend pass."""
        self._time += self._rng.randint(8, 60) * 3_600_000


def _approach(lines: Bank, style: Style, rng: random.Random, number: int) -> Chat:
    writing = _Writing(lines, style, rng)
    for _ in range(rng.randint(1, 4)):
        writing.say("other", lines.opening.other)
        writing.say("user", lines.opening.user)
    for stage in plan(rng):
        for _ in range(rng.choice((0, 0, 1, 2, 4))):
            writing.say("other", lines.smalltalk.other)
            writing.say("user", lines.smalltalk.user)
        writing.say("other", lines.approach[stage].other, stage)
        if rng.random() < 0.8:
            writing.say("user", lines.approach[stage].user)
        if rng.random() < 0.15:
            writing.pause()
    suspects = frozenset(("other",))
    return Chat(f"s{number}", tuple(writing.turns), True, suspects, lines.language, "approach", f"s{number}")


def _harmless(lines: Bank, style: Style, rng: random.Random, number: int) -> Chat:
    kind = rng.choice(sorted(lines.harmless))
    own = lines.harmless[kind]
    writing = _Writing(lines, style, rng)
    writing.say("other", own.open or lines.opening.other)
    for _ in range(rng.randint(4, 25)):
        among = own if rng.random() < 0.4 else lines.smalltalk
        first, second = ("other", "user") if rng.random() < 0.6 else ("user", "other")
        for author in (first, second):
            writing.say(author, among.other if author == "other" else among.user)
        if rng.random() < 0.1:
            writing.pause()
    return Chat(
        f"s{number}", tuple(writing.turns), False, frozenset(), lines.language, kind, f"{lines.language}-{kind}"
    )
