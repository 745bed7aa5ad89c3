"""Long conversations from scripts: harmless scripts of one kind one after the other, approaches after a harmless lead.

Scripts of approaches and harmless ones differ a little in length, and a model would learn that. Chains of both are
about equally long, small talk of the bank stands between their lines, and everybody types in a style of their own.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from tutela.research.chats import Chat, Turn
from tutela.research.composing import BANKS, Style, bank, compose
from tutela.research.everyday import Talk, shipped_everyday
from tutela.research.scripts import START, Line, Script, filled, parse_scripts
from tutela.signals.conversation.shipped_files import texts

#: How strangers get to talk before one of them turns out to approach.
LEADS: Final = ("friends", "strangers", "clan", "fandom")
_HOUR: Final = 3_600_000
#: Shares: of harmless chats that are everyday ones, and of approaches with a harmless lead.
_EVERYDAY: Final = 0.4
_LEAD: Final = 0.5
#: How many more everyday chats or scripts follow the first, and how many everyday chats lead up to an approach.
_MORE_TALKS: Final = (0, 1, 2, 3, 5, 8)
_MORE_SCRIPTS: Final = (0, 0, 1, 1, 2, 4)
_LEADING_TALKS: Final = (1, 1, 2, 4)


def shipped_scripts() -> list[Script]:
    """Return the scripts that ship, written for training: 128 authors in seven languages."""
    files = texts("tutela.research.synthesis", "dialogues", ".dialogues")
    return [script for name, text in files for script in parse_scripts(text, source=name)]


def chain(
    scripts: Sequence[Script],
    count: int,
    *,
    talks: Sequence[Talk] = (),
    approaches: float = 0.5,
    seed: int = 14,
    languages: Sequence[str] = (),
) -> Iterator[Chat]:
    """Yield `count` conversations made of `scripts` and everyday `talks`; the same seed gives the same ones.

    Languages take turns, and each script of a language comes up about equally often.
    """
    rng = random.Random(seed)  # noqa: S311 (no secret)
    known = languages or sorted({script.language for script in scripts})
    lots = {(language, kind): _Lot(scripts, language, kind) for language in known for kind in (True, False)}
    everyday = {language: [talk for talk in talks if talk.language == language] for language in known}
    for number in range(count):
        language = known[number % len(known)]
        approach = rng.random() < approaches
        if not approach and everyday[language] and rng.random() < _EVERYDAY:
            talk = rng.choice(everyday[language])
            parts = [_script(one) for one in (talk, *rng.choices(everyday[language], k=rng.choice(_MORE_TALKS)))]
            yield _chained(parts, parts[0], number, rng)
            continue
        script = lots[language, approach].draw(rng)
        if script is None:
            continue
        harmless = lots[language, False]
        parts = [script]
        if not approach:
            parts += harmless.alike(script.kind, script.group, rng.choice(_MORE_SCRIPTS), rng)
        elif everyday[language] and rng.random() < _LEAD:
            lead = rng.choices(everyday[language], k=rng.choice(_LEADING_TALKS))
            parts = [*map(_script, lead), *parts]
        elif rng.random() < _LEAD:
            parts = [*harmless.alike(rng.choice(LEADS), script.group, 1, rng), *parts]
        yield _chained(parts, script, number, rng)


def _script(talk: Talk) -> Script:
    """Return an everyday chat as a script."""
    lines = (
        Line(60_000, "user" if number % 2 else "other", None, message) for number, message in enumerate(talk.messages)
    )
    return Script(talk.language, "everyday", talk.group, "talk", tuple(lines), {})


class _Lot:
    """The scripts of one language, approaches or harmless ones, drawn without putting back until all were drawn."""

    def __init__(self, scripts: Sequence[Script], language: str, approach: bool) -> None:
        self._all = [s for s in scripts if s.language == language and (s.kind == "approach") == approach]
        self._left: list[Script] = []
        self._by_kind: dict[str, list[Script]] = defaultdict(list)
        for script in self._all:
            self._by_kind[script.kind].append(script)

    def draw(self, rng: random.Random) -> Script | None:
        if not self._left:
            self._left = rng.sample(self._all, len(self._all))
        return self._left.pop() if self._left else None

    def alike(self, kind: str, group: str, number: int, rng: random.Random) -> list[Script]:
        """Return scripts of a kind, of the same author if there are any."""
        of_kind = self._by_kind[kind]
        own = [script for script in of_kind if script.group == group]
        return rng.choices(own or of_kind, k=number) if of_kind else []


def _chained(parts: Sequence[Script], named: Script, number: int, rng: random.Random) -> Chat:
    lines = bank(named.language)
    styles = {"other": Style.drawn(rng), "user": Style.drawn(rng)}
    if rng.random() < 0.5:
        styles = dict.fromkeys(styles, Style(False, False, 0.0, 0.0, 0.0))  # as the author wrote it
    chatter = rng.choice((0.0, 0.0, 0.1, 0.3))
    time = START + rng.randint(0, 5 * 24) * _HOUR
    turns: list[Turn] = []
    for part in parts:
        for line in part.lines:
            time += round(line.gap * rng.uniform(0.5, 1.5)) + 1_000
            for text in styles[line.author].typed(filled(line.text, part.slots, rng), rng):
                turns.append(Turn(line.author, text, time, line.stage))
                time += 2_000
            if rng.random() < chatter:
                for author, among in (("other", lines.smalltalk.other), ("user", lines.smalltalk.user)):
                    time += rng.choice((5, 20, 60, 120)) * 1000
                    turns.append(Turn(author, filled(rng.choice(among), lines.slots, rng), time))
        time += rng.randint(1, 48) * _HOUR
    approach = named.kind == "approach"
    suspects = frozenset(("other",)) if approach else frozenset[str]()
    name = f"{named.group}/{named.slug}/{number}"
    return Chat(name, tuple(turns), approach, suspects, named.language, named.kind, named.group)


def generated(
    count: int, *, languages: Sequence[str] = BANKS, approaches: float = 0.5, seed: int = 14
) -> Iterator[Chat]:
    """Yield `count` conversations, by turns of scripts and of the banks' lines in an order drawn at random."""
    made = chain(
        shipped_scripts(), count, talks=shipped_everyday(), approaches=approaches, seed=seed, languages=languages
    )
    composed = compose(count, languages=languages, approaches=approaches, seed=seed)
    both = zip(made, composed, strict=False)
    yield from islice((chat for pair in both for chat in pair), count)
