"""Scripts of conversations in which most lines have alternatives: one script stands for hundreds of conversations.

A header `== LANGUAGE KIND AUTHOR SLUG`, then lines `+GAP WHO [STAGE]: TEXT`; `{a|b|}` is a choice, `{:game}` one of
the words of `slot game = …`. The format is explained in docs/conversation.md.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tutela.research.chats import Chat, Turn
from tutela.research.errors import BadScript
from tutela.signals.conversation.stages import stages

_LINE: Final = re.compile(r"^\+(\d+)([smhd]) (user|other)(?: ([a-z-]+))?: (.+)$")
_CHOICE: Final = re.compile(r"\{([^{}]*)\}")
#: A slot, and not a smiley.
_SLOT: Final = re.compile(r":[\w-]{2,}")
_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
#: 2026-01-05, a Monday, 16:00 UTC.
START: Final = 1_767_628_800_000

Slots = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Line:
    """One line of a script; `gap` is in milliseconds since the line before."""

    gap: int
    author: str
    stage: str | None
    text: str


@dataclass(frozen=True)
class Script:
    """A conversation with alternatives."""

    language: str
    kind: str
    group: str
    slug: str
    lines: tuple[Line, ...]
    slots: Slots

    def chat(self, rng: random.Random, number: int = 0) -> Chat:
        """Return one of the conversations that the script stands for."""
        time = START
        turns = []
        for line in self.lines:
            time += round(line.gap * rng.uniform(0.5, 1.5))
            turns.append(Turn(line.author, filled(line.text, self.slots, rng), time, line.stage))
        approach = self.kind == "approach"
        return Chat(
            f"{self.group}/{self.slug}/{number}",
            tuple(turns),
            approach,
            frozenset(("other",)) if approach else frozenset(),
            self.language,
            self.kind,
            self.group,
        )


def filled(text: str, slots: Slots, rng: random.Random) -> str:
    """Choose among the alternatives of a line. Raises `BadScript` for an unknown slot."""

    def one(choice: re.Match[str]) -> str:
        inside = str(choice[1])
        if not _SLOT.fullmatch(inside):
            return str(rng.choice(inside.split("|")))
        if inside[1:] not in slots:
            raise BadScript(f"There is no slot “{inside[1:]}”.")
        return rng.choice(list(slots[inside[1:]]))

    for _ in range(3):  # a slot's words may have choices
        if "{" not in text:
            break
        text = _CHOICE.sub(one, text)
    return " ".join(text.split())


def parse_scripts(text: str, *, source: str) -> list[Script]:
    """Read a file of scripts. Raises `BadScript`, naming the line."""
    slots: dict[str, list[str]] = {}
    found: list[tuple[list[str], list[Line]]] = []
    known = {stage.id for stage in stages() if stage.by == "other"}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("slot "):
            name, _, words = line.removeprefix("slot ").partition("=")
            slots[name.strip()] = [word.strip() for word in words.split("|")]
        elif line.startswith("=="):
            header = line.split()[1:]
            if len(header) != 4:
                raise BadScript(f"{source}, line {number}: a header is `== LANGUAGE KIND AUTHOR SLUG`.")
            found.append((header, []))
        else:
            parts = _LINE.match(line)
            if parts is None or not found:
                raise BadScript(f"{source}, line {number}: a line is `+GAP WHO [STAGE]: TEXT`, below a header.")
            gap, unit, author, stage, said = parts.groups()
            if stage is not None and stage not in known:
                raise BadScript(f"{source}, line {number}: there is no stage “{stage}”.")
            found[-1][1].append(Line(int(gap) * _UNITS[unit], author, stage, said))
    return [Script(h[0], h[1], h[2], h[3], tuple(lines), slots) for h, lines in found]
