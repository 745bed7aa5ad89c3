"""The small pattern language of the language files, and a matcher that reads each word once.

A phrase is words in order. `(a|b c)` is a choice, `[a]` may be missing, `<name>` is a set of words named in the same
file, `word*` any word that begins so, `#` a number of one or two digits, `..` up to three words of any kind. They are
compiled into sequences of word sets and found through their rarest word, so that the cost of a message grows with its
length and hardly with the number of phrases.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from tutela.signals.conversation.errors import BadLanguageFile
from tutela.signals.conversation.spelling import fold, readings, tokens

#: Up to this many words may stand where a phrase has `..`.
GAP: Final = 3
_MOST_VARIANTS: Final = 400
_PIECE: Final = re.compile(r"\.\.|\(([^()]*)\)|\[([^\[\]]*)\]|<([a-z_]+)>|([^\s()\[\]<>|]+)")

Word = str
"""A folded word, a beginning that ends in `*`, or `#`."""


@dataclass(frozen=True)
class Gap:
    """Up to `GAP` words of any kind."""


Step = frozenset[Word] | Gap
Variant = tuple[Step, ...]


def variants(phrase: str, sets: Mapping[str, Sequence[str]]) -> list[Variant]:
    """Compile one phrase into the sequences of steps that it stands for.

    Raises `BadLanguageFile` where the phrase is malformed, names an unknown set, or stands for too many sequences.
    """
    parts = [_choices(piece, sets, phrase) for piece in _pieces(phrase)]
    size = 1
    for part in parts:
        size *= len(part)
    if size > _MOST_VARIANTS:
        raise BadLanguageFile(f"“{phrase}” stands for {size} sequences; at most {_MOST_VARIANTS} are allowed.")
    found = [_trimmed(tuple(step for steps in way for step in steps)) for way in product(*parts)]
    kept = [way for way in dict.fromkeys(found) if any(not isinstance(step, Gap) for step in way)]
    if not kept:
        raise BadLanguageFile(f"“{phrase}” holds no word.")
    return kept


def _pieces(phrase: str) -> Iterator[re.Match[str]]:
    place = 0
    for piece in _PIECE.finditer(phrase):
        if phrase[place : piece.start()].strip():
            raise BadLanguageFile(f"“{phrase}” cannot be read at “{phrase[place:]}”.")
        place = piece.end()
        yield piece
    if phrase[place:].strip():
        raise BadLanguageFile(f"“{phrase}” cannot be read at “{phrase[place:]}”.")


def _choices(piece: re.Match[str], sets: Mapping[str, Sequence[str]], phrase: str) -> list[Variant]:
    choice, optional, name, word = piece.groups()
    if piece[0] == "..":
        return [(Gap(),)]
    if word is not None:
        return [_sequence(word)]
    if name is not None and name not in sets:
        raise BadLanguageFile(f"“{phrase}” names the set <{name}>, which the file does not have.")
    members = list(sets[name]) if name is not None else (choice if optional is None else optional).split("|")
    if optional is not None or choice is not None:
        members = [one for member in members for one in _named(member.strip(), sets, phrase)]
    single = frozenset(step for member in members for step in _single(member))
    several = [_sequence(member) for member in members if not _single(member)]
    ways: list[Variant] = [*([(single,)] if single else []), *several]
    if not ways:
        raise BadLanguageFile(f"“{phrase}” has an empty choice.")
    return [*ways, ()] if optional is not None else ways


def _named(member: str, sets: Mapping[str, Sequence[str]], phrase: str) -> Sequence[str]:
    """Return the members of a set that is named alone inside a choice, or the member itself."""
    name = re.fullmatch(r"<([a-z_]+)>", member)
    if name is None:
        if "<" in member:
            raise BadLanguageFile(f"“{phrase}”: inside a choice a set stands alone: (<parents>|him).")
        return [member]
    if name[1] not in sets:
        raise BadLanguageFile(f"“{phrase}” names the set <{name[1]}>, which the file does not have.")
    return sets[name[1]]


def _single(member: str) -> list[Word]:
    steps = _sequence(member)
    return [word for step in steps if not isinstance(step, Gap) for word in step] if len(steps) == 1 else []


def _sequence(text: str) -> Variant:
    steps: list[Step] = []
    for word in text.split():
        if word == "..":
            steps.append(Gap())
        elif word == "#":
            steps.append(frozenset(["#"]))
        else:
            beginning = word.endswith("*")
            folded = tokens(fold(word.removesuffix("*")))
            if not folded:
                raise BadLanguageFile(f"“{word}” holds no letter.")
            steps.extend(frozenset([readings(token)[0]]) for token in folded[:-1])
            steps.append(frozenset([readings(folded[-1])[0] + ("*" if beginning else "")]))
    return tuple(steps)


def _trimmed(way: Variant) -> Variant:
    """Drop gaps at both ends, where they mean nothing, and gaps that follow a gap."""
    kept: list[Step] = []
    for step in way:
        if isinstance(step, Gap) and (not kept or isinstance(kept[-1], Gap)):
            continue
        kept.append(step)
    while kept and isinstance(kept[-1], Gap):
        kept.pop()
    return tuple(kept)


@dataclass(frozen=True)
class Found:
    """A phrase found: whose it is (an index into what the matcher was made from), and its last word's position."""

    phrase: int
    first: int
    last: int


class Phrases:
    """Finds many phrases at once in a sequence of words, each given as the ids that it may stand for."""

    def __init__(self, ways: Sequence[tuple[int, Variant]], ids: Mapping[Word, int]) -> None:
        """Index `ways`, pairs of an owner's number and a sequence; `ids` numbers every word in them."""
        self._owners = [owner for owner, _ in ways]
        self._steps: list[list[frozenset[int] | None]] = [
            [None if isinstance(step, Gap) else frozenset(ids[word] for word in step) for step in way]
            for _, way in ways
        ]
        often = Counter(word for steps in self._steps for step in steps if step for word in step)
        self._index: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, steps in enumerate(self._steps):
            costs = [(sum(often[word] for word in step), place) for place, step in enumerate(steps) if step]
            _, anchor = min(costs)
            for word in steps[anchor] or ():
                self._index[word].append((number, anchor))

    def find(self, words: Sequence[Iterable[int]], start: int = 0) -> Iterator[Found]:
        """Yield what is found in `words` and ends at `start` or later."""
        sets = [frozenset(word) for word in words]
        index = self._index
        for place, ids in enumerate(sets):
            for word in ids:
                for number, anchor in index.get(word, ()):
                    steps = self._steps[number]
                    last = _forward(steps, anchor, sets, place)
                    if last < start:
                        continue
                    first = _backward(steps, anchor, sets, place)
                    if first >= 0:
                        yield Found(self._owners[number], first, last)


def _forward(steps: Sequence[frozenset[int] | None], step: int, words: Sequence[frozenset[int]], place: int) -> int:
    """Return the place of the last word when `steps[step]` stands at `place`, or -1."""
    while step + 1 < len(steps):
        step += 1
        wanted = steps[step]
        if wanted is None:
            for skipped in range(GAP + 1):
                after = place + 1 + skipped
                if after >= len(words):
                    return -1
                if not words[after].isdisjoint(steps[step + 1] or ()):
                    last = _forward(steps, step + 1, words, after)
                    if last >= 0:
                        return last
            return -1
        place += 1
        if place >= len(words) or words[place].isdisjoint(wanted):
            return -1
    return place


def _backward(steps: Sequence[frozenset[int] | None], step: int, words: Sequence[frozenset[int]], place: int) -> int:
    """Return the place of the first word when `steps[step]` stands at `place`, or -1."""
    while step > 0:
        step -= 1
        wanted = steps[step]
        if wanted is None:
            for skipped in range(GAP + 1):
                before = place - 1 - skipped
                if before < 0:
                    return -1
                if not words[before].isdisjoint(steps[step - 1] or ()):
                    first = _backward(steps, step - 1, words, before)
                    if first >= 0:
                        return first
            return -1
        place -= 1
        if place < 0 or words[place].isdisjoint(wanted):
            return -1
    return place
