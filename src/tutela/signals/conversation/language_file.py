"""A language file as a native speaker writes it. The format is explained in docs/conversation.md."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Annotated

import msgspec

from tutela.signals.conversation.errors import BadLanguageFile

Phrase = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Words = Annotated[str, msgspec.Meta(min_length=1)]


class SignalPhrases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What shows one signal, and what in the same message shows that it is not meant."""

    phrases: tuple[Phrase, ...]
    unless: tuple[Phrase, ...] = ()


class Ages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How people state their age; each phrase holds one `#`."""

    stated: tuple[Phrase, ...]


class LanguageFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language, as a native speaker writes it. The format is explained in docs/conversation.md."""

    language: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}\Z")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    reviewed: date
    """When somebody last read all of it."""
    sets: dict[str, Words]
    """Named sets of words, `a|b c|d*`."""
    spelling: dict[str, str]
    """Written forms and the one or more words they mean: `u = "you"`."""
    questions: tuple[str, ...]
    """Words that begin a question, for messages without a question mark."""
    quoting: tuple[Phrase, ...]
    """Openings after which somebody tells of what others say, or warns of it."""
    ages: Ages
    signals: dict[str, SignalPhrases]

    def words_of_sets(self) -> dict[str, list[str]]:
        """Return the words of each set, apart."""
        return {name: [word.strip() for word in words.split("|")] for name, words in self.sets.items()}


def parse_language(text: str, *, source: str) -> LanguageFile:
    """Read a language file. Raises `BadLanguageFile`, which names `source` and the place."""
    try:
        return msgspec.convert(tomllib.loads(text), LanguageFile)
    except tomllib.TOMLDecodeError as error:
        raise BadLanguageFile(f"{source} is not TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise BadLanguageFile(f"{source}: {error}.") from error
