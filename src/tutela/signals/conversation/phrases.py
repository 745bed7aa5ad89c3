"""The small pattern language of the language files, and an automaton that finds all phrases in one pass.

A phrase is words in order. `(a|b c)` is a choice, `[a]` may be missing, `<name>` is a set of words named in the same
file (also inside a choice), `word*` any word that begins so, `#` a number of one or two digits, `..` up to three words
of any kind, `^` the edge of a message, for what is telling only where nothing more is said (`^ alone ^`). They become
one nondeterministic automaton over words, which is made deterministic while it reads and remembers what it met (lazily,
as RE2 does: Cox, “Regular Expression Matching in the Wild”, 2010): a word costs one look-up, however many phrases there
are, and memory is bounded.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from tutela.signals.conversation.errors import BadLanguageFile
from tutela.signals.conversation.spelling import fold, readings, tokens

#: Up to this many words may stand where a phrase has `..`.
GAP: Final = 3
#: Where a message begins or ends: no word, and in the way of no phrase that runs over two messages.
EDGE: Final = "^"
_PIECE: Final = re.compile(r"\.\.|\(([^()]*)\)|\[([^\[\]]*)\]|<([a-z_]+)>|([^\s()\[\]<>|]+)")
_SET: Final = re.compile(r"<[a-z_]+>")
#: A member of a choice may stand for so many sequences of words.
_MOST_WAYS: Final = 2_000
#: Remembered steps of the deterministic automaton.
_REMEMBERED: Final = 40_000
_NOTHING: Final[frozenset[int]] = frozenset()

Word = str
"""A folded word, a beginning that ends in `*`, `#`, `^` or `..`."""
Words = tuple[Word, ...]


@dataclass(frozen=True)
class Part:
    """One place of a phrase: a choice of word sequences, which may be missing."""

    choices: tuple[Words, ...]
    optional: bool = False


def parse(phrase: str, sets: Mapping[str, Sequence[str]]) -> tuple[Part, ...]:
    """Read one phrase. Raises `BadLanguageFile` where it is malformed or names an unknown set."""
    parts: list[Part] = []
    for piece in _pieces(phrase):
        parts.extend(_parts(piece, sets, phrase))
    if not any(_holds_word(part) for part in parts):
        raise BadLanguageFile(f"“{phrase}” holds no word that must be there.")
    return tuple(parts)


def _holds_word(part: Part) -> bool:
    return not part.optional and all(length(words) > 0 for words in part.choices)


def length(words: Words) -> int:
    """Return how many words must be typed for `words`."""
    return sum(word not in ("..", EDGE) for word in words)


def words_of(parts: Iterable[Part]) -> set[Word]:
    """Return every word in a phrase."""
    return {word for part in parts for words in part.choices for word in words if word != ".."}


def _pieces(phrase: str) -> Iterator[re.Match[str]]:
    place = 0
    for piece in _PIECE.finditer(phrase):
        if phrase[place : piece.start()].strip():
            raise BadLanguageFile(f"“{phrase}” cannot be read at “{phrase[place:]}”.")
        place = piece.end()
        yield piece
    if phrase[place:].strip():
        raise BadLanguageFile(f"“{phrase}” cannot be read at “{phrase[place:]}”.")


def _parts(piece: re.Match[str], sets: Mapping[str, Sequence[str]], phrase: str) -> list[Part]:
    choice, optional, name, word = piece.groups()
    if piece[0] == "..":
        return [Part((("..",),))]
    if word is not None:
        return [Part((_words(word),))]
    if name is not None:
        members = list(_members(name, sets, phrase))
    else:
        inside = choice if optional is None else optional
        members = [one for member in inside.split("|") for one in _named(member.strip(), sets, phrase)]
    choices = tuple(dict.fromkeys(_words(member) for member in members if member))
    if not choices:
        raise BadLanguageFile(f"“{phrase}” has an empty choice.")
    return [Part(choices, optional is not None)]


def _members(name: str, sets: Mapping[str, Sequence[str]], phrase: str) -> Sequence[str]:
    if name not in sets:
        raise BadLanguageFile(f"“{phrase}” names the set <{name}>, which the file does not have.")
    return sets[name]


def _named(member: str, sets: Mapping[str, Sequence[str]], phrase: str) -> Iterator[str]:
    """Yield a member of a choice with every set in it spelt out."""
    ways = [_members(word[1:-1], sets, phrase) if _SET.fullmatch(word) else [word] for word in member.split()]
    number = 1
    for way in ways:
        number *= len(way)
    if number > _MOST_WAYS:
        raise BadLanguageFile(
            f"“{phrase}”: “{member}” stands for {number} sequences; at most {_MOST_WAYS} are allowed."
        )
    for chosen in product(*ways):
        yield " ".join(chosen)


def _words(text: str) -> Words:
    found: list[Word] = []
    for word in text.split():
        if word in ("#", "..", EDGE):
            found.append(word)
            continue
        folded = tokens(fold(word.removesuffix("*")))
        if not folded:
            raise BadLanguageFile(f"“{text}” holds no letter.")
        found.extend(readings(token)[0] for token in folded)
        if word.endswith("*"):
            found[-1] += "*"
    return tuple(found)


@dataclass(frozen=True)
class Found:
    """A phrase that ends at a word: whose it is (as it was given to the automaton), and the word's place."""

    owner: int
    last: int


_Moves = tuple[tuple[frozenset[int] | None, int], ...]
"""To which state on which words; `None` is any word."""


class Automaton:
    """Finds many phrases at once in a sequence of words, each given as the ids that it may stand for."""

    def __init__(self, phrases: Iterable[tuple[int, Sequence[Part]]], ids: Mapping[Word, int]) -> None:
        """Build from pairs of an owner's number and a phrase; `ids` numbers every word in them."""
        self._ids = ids
        edge = ids.get(EDGE)
        self.edge: tuple[int, ...] = () if edge is None else (edge,)
        """What `find` is given for the edge of a message; `()` where no phrase has one."""
        self._moves: list[_Moves] = []
        self._owner: list[int | None] = []
        self._numbers: dict[tuple[_Moves, int | None], int] = {}
        begin: dict[int, set[int]] = defaultdict(set)
        for owner, parts in phrases:
            self._add(owner, parts, begin)
        self._numbers.clear()
        takers: dict[int | None, set[int]] = defaultdict(set)
        for state, moves in enumerate(self._moves):
            for words, _ in moves:
                for word in (None,) if words is None else words:
                    takers[word].add(state)
        self._begin = {word: frozenset(states) for word, states in begin.items()}
        self._takers = {word: frozenset(states) for word, states in takers.items()}
        """By word, and by `None` for any word: the states that go on with it."""
        self._forget()

    def __len__(self) -> int:
        return len(self._moves)

    def _add(self, owner: int, parts: Sequence[Part], begin: dict[int, set[int]]) -> None:
        state = self._state((), owner)
        for part in reversed(parts):
            state = self._before(part, state)
        for words, target in self._moves[state]:
            for word in words or ():
                begin[word].add(target)

    def _before(self, part: Part, after: int) -> int:
        targets: dict[int, set[int]] = defaultdict(set)
        moves: list[tuple[frozenset[int] | None, int]] = []
        for words in part.choices:
            target = after
            for word in reversed(words[1:]):
                target = self._gap(target) if word == ".." else self._one(word, target)
            if words[0] == "..":
                moves.extend(self._moves[self._gap(target)])
            else:
                targets[target].add(self._ids[words[0]])
        moves.extend((frozenset(words), target) for target, words in targets.items())
        through = part.optional or ("..",) in part.choices
        if part.optional:
            moves.extend(self._moves[after])
        return self._state(tuple(dict.fromkeys(moves)), self._owner[after] if through else None)

    def _one(self, word: Word, after: int) -> int:
        return self._state(((frozenset((self._ids[word],)), after),), None)

    def _gap(self, after: int) -> int:
        state = after
        for _ in range(GAP):
            state = self._state((*self._moves[after], (None, state)), self._owner[after])
        return state

    def _state(self, moves: _Moves, owner: int | None) -> int:
        """Return the state with these moves; equal ones are one."""
        number = self._numbers.get((moves, owner))
        if number is None:
            number = self._numbers[moves, owner] = len(self._moves)
            self._moves.append(moves)
            self._owner.append(owner)
        return number

    def find(self, words: Sequence[tuple[int, ...]]) -> Iterator[Found]:
        """Yield what is found in `words`."""
        state = 0
        for place, ids in enumerate(words):
            after = self._steps.get((state, ids))
            state = self._step(state, ids) if after is None else after
            for owner in self._accepts[state]:
                yield Found(owner, place)

    def _forget(self) -> None:
        self._sets: list[frozenset[int]] = [frozenset()]
        self._set_numbers: dict[frozenset[int], int] = {frozenset(): 0}
        self._accepts: list[tuple[int, ...]] = [()]
        self._steps: dict[tuple[int, tuple[int, ...]], int] = {}

    def _step(self, state: int, ids: tuple[int, ...]) -> int:
        if len(self._steps) >= _REMEMBERED:
            standing = self._sets[state]
            self._forget()
            state = self._number(standing)
        here = self._sets[state]
        found = {target for word in ids for target in self._begin.get(word, _NOTHING)}
        at_edge = bool(ids) and ids == self.edge
        if at_edge:
            found.update(one for one in here if self._owner[one] is None)
        else:
            for one in here & self._takers.get(None, _NOTHING):
                found.update(target for words, target in self._moves[one] if words is None)
        for word in ids:
            for one in here & self._takers.get(word, _NOTHING):
                found.update(target for words, target in self._moves[one] if words is not None and word in words)
        after = self._steps[state, ids] = self._number(frozenset(found))
        return after

    def _number(self, states: frozenset[int]) -> int:
        number = self._set_numbers.get(states)
        if number is None:
            number = self._set_numbers[states] = len(self._sets)
            self._sets.append(states)
            owners = {owner for one in states if (owner := self._owner[one]) is not None}
            self._accepts.append(tuple(sorted(owners)))
        return number
