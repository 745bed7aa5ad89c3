"""What words mean alike in seven languages: a small dictionary, so that the tagger learns from all of them together.

Each concept lists the words for it in each language, inflected and as people type them; `word*` is every word that
begins so. A word may mean several things. The dictionary was written for this guard and is data: `concepts/*.toml`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from tutela.signals.conversation.errors import BadLanguageFile
from tutela.signals.conversation.shipped_files import texts
from tutela.signals.conversation.spelling import fold, readings

#: A beginning `word*` has at least so many letters.
_BEGINNING: Final = 3
_REMEMBERED: Final = 20_000
#: So many meanings of one word are kept.
_MEANINGS: Final = 3

Entries = dict[str, dict[str, str]]
"""Concept, language, words."""


class Concepts:
    """A dictionary from words to concepts."""

    def __init__(self, entries: Mapping[str, Mapping[str, str]]) -> None:
        """Index `entries`. Raises `BadLanguageFile` where a beginning is too short to mean anything."""
        self._words: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._beginnings: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for concept, languages in entries.items():
            for language, words in languages.items():
                for word in words.split():
                    bare = fold(word.removesuffix("*")).replace("'", "")
                    if not word.endswith("*"):
                        self._words[language][bare].append(concept)
                    elif len(bare) < _BEGINNING:
                        raise BadLanguageFile(f"{concept}, {language}: “{word}” is too short for a beginning.")
                    else:
                        self._beginnings[language][bare].append(concept)
        self._known: dict[tuple[str, frozenset[str]], tuple[str, ...]] = {}

    def of(self, token: str, languages: frozenset[str]) -> tuple[str, ...]:
        """Return what a raw token may mean in some languages, in no more than a few concepts."""
        known = self._known.get((token, languages))
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            meant = (one for language in sorted(languages) for one in self._looked_up(token, language))
            known = self._known[token, languages] = tuple(dict.fromkeys(meant))[:_MEANINGS]
        return known

    def _looked_up(self, token: str, language: str) -> tuple[str, ...]:
        words, beginnings = self._words[language], self._beginnings[language]
        for spelt in readings(token):
            if spelt in words:
                return tuple(words[spelt])
        for spelt in readings(token):
            for length in range(len(spelt), _BEGINNING - 1, -1):
                if spelt[:length] in beginnings:
                    return tuple(beginnings[spelt[:length]])
        return ()


def parse_concepts(text: str, *, source: str) -> Entries:
    """Read one file of concepts. Raises `BadLanguageFile`."""
    try:
        return msgspec.toml.decode(text, type=Entries)
    except msgspec.DecodeError as error:
        raise BadLanguageFile(f"{source} is not a file of concepts: {error}.") from error


@lru_cache
def shipped_concepts() -> Concepts:
    """Return the dictionary that ships, loaded once."""
    entries: Entries = {}
    for name, text in texts("tutela.signals.conversation", "concepts", ".toml"):
        for concept, languages in parse_concepts(text, source=name).items():
            merged = entries.setdefault(concept, {})
            for language, words in languages.items():
                merged[language] = f"{merged.get(language, '')} {words}".strip()
    return Concepts(entries)
