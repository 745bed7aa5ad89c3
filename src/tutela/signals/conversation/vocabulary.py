"""Which words of the language files a typed token may stand for: as written, unmasked, misspelt or run together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from tutela.signals.conversation.spelling import readings

#: Words shorter than this are not matched through a misspelling, nor found inside words run together.
MISSPELT_FROM: Final = 6
_GLUED_FROM: Final = 8
_REMEMBERED: Final = 20_000

Ids = tuple[int, ...]


class Vocabulary:
    """Every word that occurs in a phrase, numbered; and how to reach it from what people type."""

    def __init__(self, words: Iterable[str], spellings: Mapping[str, frozenset[str]]) -> None:
        """Number `words` (folded; `beginning*` allowed); `spellings` leads from a written form to words."""
        self.ids: dict[str, int] = {word: number for number, word in enumerate(sorted(set(words)))}
        self._beginnings = {word[:-1]: number for word, number in self.ids.items() if word.endswith("*")}
        self._shortest = min(map(len, self._beginnings), default=0)
        self._spellings = {
            written: tuple(self.ids[word] for word in meant if word in self.ids) for written, meant in spellings.items()
        }
        self._near: dict[str, list[int]] = defaultdict(list)
        for word, number in self.ids.items():
            if len(word) >= MISSPELT_FROM and word.isalpha():
                for slipped in {*_deletions(word), *_swaps(word)} - {word}:
                    self._near[slipped].append(number)
        self._number = self.ids.get("#")
        self._cache: dict[str, tuple[Ids, ...]] = {}

    def read(self, token: str) -> tuple[Ids, ...]:
        """Return the words at the one or more places that a raw token takes; an unknown word has no ids."""
        known = self._cache.get(token)
        if known is None:
            if len(self._cache) >= _REMEMBERED:
                self._cache.clear()
            known = self._cache[token] = self._read(token)
        return known

    def _read(self, token: str) -> tuple[Ids, ...]:
        if token.isdigit():
            number = (self._number,) if self._number is not None and len(token) <= 2 else ()
            return (tuple({*number, *self._exactly(token)}),)
        spelt = readings(token)
        ids = {number for word in spelt for number in self._exactly(word)}
        if ids:
            return (tuple(sorted(ids)),)
        for word in spelt:
            parts = self._glued(word)
            if parts:
                return parts
        return (tuple(sorted({number for word in spelt for number in self._misspelt(word)})),)

    def _exactly(self, word: str) -> set[int]:
        ids = set(self._spellings.get(word, ()))
        if word in self.ids:
            ids.add(self.ids[word])
        if self._beginnings:
            for length in range(self._shortest, len(word) + 1):
                number = self._beginnings.get(word[:length])
                if number is not None:
                    ids.add(number)
        return ids

    def _misspelt(self, word: str) -> set[int]:
        """Return words with one letter too many, one missing or two swapped; the first letter stands.

        A wrong letter is not forgiven: policy is not police.
        """
        if len(word) < MISSPELT_FROM - 1 or not word.isalpha():
            return set()
        longer = {
            self.ids[shorter] for shorter in _deletions(word) if len(shorter) >= MISSPELT_FROM and shorter in self.ids
        }
        return longer | set(self._near.get(word, ()))

    def _glued(self, word: str) -> tuple[Ids, ...]:
        """Split a long unknown word into known ones, or return nothing: `donttellmum`."""
        if len(word) < _GLUED_FROM or not word.isalpha():
            return ()
        best: list[tuple[Ids, ...] | None] = [(), *[None] * len(word)]
        lengths: list[tuple[int, ...]] = [()] * (len(word) + 1)
        for end in range(1, len(word) + 1):
            for start in range(max(0, end - 14), end):
                before = best[start]
                if before is None or (end - start < 2 and word[start:end] not in ("i", "u", "a", "y")):
                    continue
                number = self.ids.get(word[start:end])
                spelt = self._spellings.get(word[start:end], ())
                if number is None and not spelt:
                    continue
                ids = (*spelt, number) if number is not None else spelt
                if best[end] is None or len(before) + 1 < len(best[end] or ()):
                    best[end] = (*before, ids)
                    lengths[end] = (*lengths[start], end - start)
        parts = best[len(word)]
        return parts if parts and _credible(word, lengths[len(word)]) else ()


def _credible(word: str, lengths: tuple[int, ...]) -> bool:
    """Tell whether a word is rather several run together than one that only looks like it: anywhere, runescape."""
    if len(lengths) == 2:
        return min(lengths) >= 4
    return len(lengths) > 2 and len(word) / len(lengths) >= 3 and lengths[-1] >= 2


def _swaps(word: str) -> list[str]:
    return [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(1, len(word) - 1)]


def _deletions(word: str) -> list[str]:
    return [word[:place] + word[place + 1 :] for place in range(1, len(word))]
