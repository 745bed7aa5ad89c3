"""The language files, read, checked and compiled: from a message to the signals in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

from tutela.signals.conversation.compiled import CompiledLanguage
from tutela.signals.conversation.language_file import LanguageFile, parse_language
from tutela.signals.conversation.spelling import ends, fold, tokens
from tutela.signals.conversation.stages import stage_of

#: The languages that ship.
LANGUAGES: Final = ("en", "fr", "es", "de", "nl", "pt", "it")


@dataclass(frozen=True)
class Reading:
    """What one message shows."""

    signals: tuple[str, ...]
    """Ids of the signals, each once, in the order of `stages.toml`."""
    asks: bool
    age: int | None
    """The age that its writer states."""
    tail: tuple[str, ...]
    """Its last words, for a phrase that goes on in the writer's next message."""


class Lexicon:
    """All languages at once, since people mix them."""

    def __init__(self, files: Sequence[LanguageFile]) -> None:
        """Compile `files`. Raises `BadLanguageFile` where a phrase or a name does not hold."""
        self._languages = [CompiledLanguage(file) for file in files]
        self._questions = frozenset().union(*(language.questions for language in self._languages))
        self._order = {signal: place for place, signal in enumerate(stage_of())}
        self.phrases = sum(language.phrases for language in self._languages)

    def read(self, text: str, before: Sequence[str] = (), languages: frozenset[str] | None = None) -> Reading:
        """Read one message.

        `before` is the tail of the same writer's message before it. A signal that shows only in a single word
        counts only in one of `languages` (all, where `None`): a word of one language may be an innocent one of another.
        """
        raw = tokens(fold(ends(text)))
        hits = [
            language.read(raw, before, single=languages is None or language.code in languages)
            for language in self._languages
        ]
        shown: frozenset[str] = frozenset().union(*(hit.signals for hit in hits))
        return Reading(
            tuple(sorted(shown, key=self._order.__getitem__)),
            "?" in text or bool(raw and raw[0] in self._questions),
            _age(raw) if any(hit.states_age and not hit.quotes for hit in hits) else None,
            tuple(raw[-_TAIL:]),
        )


#: Words of a message that are kept for the next one.
_TAIL: Final = 6
_AGE: Final = re.compile(r"\d{1,2}")


def _age(raw: Sequence[str]) -> int | None:
    """Return the first number that can be an age."""
    numbers = [int(token) for token in raw if _AGE.fullmatch(token)]
    return next((number for number in numbers if 8 <= number <= 80), None)


@lru_cache
def shipped() -> Lexicon:
    """Return the lexicon of all languages that ship, compiled once."""
    return Lexicon([language_file(code) for code in LANGUAGES])


def language_file(code: str) -> LanguageFile:
    """Return the shipped file of one language."""
    name = f"languages/{code}.toml"
    text = resources.files("tutela.signals.conversation").joinpath(name).read_text(encoding="utf-8")
    return parse_language(text, source=name)
