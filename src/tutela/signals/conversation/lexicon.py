"""The language files, read, checked and compiled: from a message to the signals in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
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
    raw: tuple[str, ...]
    """Its tokens; they are not kept."""

    @property
    def tail(self) -> tuple[str, ...]:
        """Its last words, for a phrase that goes on in the writer's next message."""
        return self.raw[-_TAIL:]


class Lexicon:
    """Languages, each compiled when a message first may be in it; people mix them."""

    def __init__(self, languages: Mapping[str, Callable[[], LanguageFile]]) -> None:
        """Take where each language's file is read. Nothing is read yet."""
        self._files = dict(languages)
        self._compiled: dict[str, CompiledLanguage] = {}
        self._order = {signal: place for place, signal in enumerate(stage_of())}

    @classmethod
    def of(cls, *files: LanguageFile) -> Lexicon:
        """Compile `files` at once. Raises `BadLanguageFile` where a phrase or a name does not hold."""
        lexicon = cls({file.language: lambda file=file: file for file in files})  # type: ignore[misc]
        for file in files:
            lexicon.language(file.language)
        return lexicon

    def language(self, code: str) -> CompiledLanguage:
        """Return one language, compiled."""
        if code not in self._compiled:
            self._compiled[code] = CompiledLanguage(self._files[code]())
        return self._compiled[code]

    def read(self, text: str, before: Sequence[str] = (), languages: Collection[str] | None = None) -> Reading:
        """Read one message, in those of its languages that it may be in (all, where `None`).

        `before` is the tail of the same writer's message before it.
        """
        raw = tokens(fold(ends(text)))
        chosen = [self.language(code) for code in self._files if languages is None or code in languages]
        hits = [language.read(raw, before) for language in chosen]
        shown: frozenset[str] = frozenset().union(*(hit.signals for hit in hits))
        return Reading(
            tuple(sorted(shown, key=self._order.__getitem__)),
            "?" in text or bool(raw and any(raw[0] in language.questions for language in chosen)),
            _age(raw) if any(hit.states_age and not hit.quotes for hit in hits) else None,
            tuple(raw),
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
    """Return the lexicon of all languages that ship; each is compiled once, when it is first needed."""
    return Lexicon({code: partial(language_file, code) for code in LANGUAGES})


def language_file(code: str) -> LanguageFile:
    """Return the shipped file of one language."""
    name = f"languages/{code}.toml"
    text = resources.files("tutela.signals.conversation").joinpath(name).read_text(encoding="utf-8")
    return parse_language(text, source=name)
