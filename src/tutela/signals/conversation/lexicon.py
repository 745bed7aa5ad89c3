"""The language files, read, checked and compiled: from a message to the signals in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Annotated, Final

import msgspec

from tutela.signals.conversation.errors import BadLanguageFile
from tutela.signals.conversation.phrases import Automaton, Part, length, parse, words_of
from tutela.signals.conversation.spelling import ends, fold, tokens
from tutela.signals.conversation.stages import stage_of
from tutela.signals.conversation.vocabulary import Vocabulary

#: The languages that ship.
LANGUAGES: Final = ("en", "es", "pt", "it")

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


def parse_language(text: str, *, source: str) -> LanguageFile:
    """Read a language file. Raises `BadLanguageFile`, which names `source` and the place."""
    try:
        return msgspec.convert(tomllib.loads(text), LanguageFile)
    except tomllib.TOMLDecodeError as error:
        raise BadLanguageFile(f"{source} is not TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise BadLanguageFile(f"{source}: {error}.") from error


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


@dataclass(frozen=True)
class _Owner:
    kind: str  # signal, unless, quoting, age
    signal: str
    language: str
    short: bool


class Lexicon:
    """All languages at once, since people mix them."""

    def __init__(self, files: Sequence[LanguageFile]) -> None:
        """Compile `files`. Raises `BadLanguageFile` where a phrase or a name does not hold."""
        self.languages = tuple(file.language for file in files)
        phrases: list[tuple[int, tuple[Part, ...]]] = []
        self._owners: list[_Owner] = []
        spellings: dict[str, set[str]] = {}
        self._questions: set[str] = set()
        self._order = {signal: place for place, signal in enumerate(stage_of())}
        for file in files:
            self._add(file, phrases)
            for written, meant in file.spelling.items():
                spellings.setdefault(_one(written), set()).update(_one(word) for word in meant.split("|"))
            self._questions.update(map(_one, file.questions))
        known = set().union(*(words_of(parts) for _, parts in phrases))
        self._vocabulary = Vocabulary(known, {written: frozenset(meant) for written, meant in spellings.items()})
        self._automaton = Automaton(phrases, self._vocabulary.ids)
        self.phrases = len(phrases)

    def _add(self, file: LanguageFile, into: list[tuple[int, tuple[Part, ...]]]) -> None:
        sets = {name: [one.strip() for one in words.split("|")] for name, words in file.sets.items()}
        unknown = [signal for signal in file.signals if signal not in stage_of()]
        if unknown:
            raise BadLanguageFile(f"{file.language}: there is no signal “{unknown[0]}” in stages.toml.")

        def take(kind: str, signal: str, phrases: Iterable[str]) -> None:
            numbers: dict[bool, int] = {}
            for phrase in phrases:
                try:
                    parts = parse(phrase, sets)
                except BadLanguageFile as error:
                    raise BadLanguageFile(f"{file.language}, {signal or kind}: {error.message}") from error
                if kind == "age" and sum(part.choices == (("#",),) for part in parts) != 1:
                    raise BadLanguageFile(f"{file.language}, ages: “{phrase}” needs one #.")
                short = _shortest(parts) == 1
                if short not in numbers:
                    numbers[short] = len(self._owners)
                    self._owners.append(_Owner(kind, signal, file.language, short))
                into.append((numbers[short], parts))

        for signal, given in file.signals.items():
            take("signal", signal, given.phrases)
            take("unless", signal, given.unless)
        take("quoting", "", file.quoting)
        take("age", "", file.ages.stated)

    def read(self, text: str, before: Sequence[str] = (), languages: frozenset[str] | None = None) -> Reading:
        """Read one message.

        `before` is the tail of the same writer's message before it. A signal that shows only in a single word
        counts only in one of `languages` (all, where `None`): a word of one language may be an innocent one of another.
        """
        raw = tokens(fold(ends(text)))
        words = [ids for token in raw for ids in self._vocabulary.read(token)]
        quoted: int | None = None
        signals: dict[str, int] = {}
        unless: set[str] = set()
        aged = False
        earlier = [ids for token in before for ids in self._vocabulary.read(token)]
        edge = [self._automaton.edge] if self._automaton.edge else []
        line = [*earlier, *edge, *words, *edge]
        for found in self._automaton.find(line, start=len(earlier) + len(edge)):
            owner = self._owners[found.owner]
            if owner.kind == "signal":
                if owner.short and languages is not None and owner.language not in languages:
                    continue
                signals[owner.signal] = min(found.last, signals.get(owner.signal, found.last))
            elif owner.kind == "unless":
                unless.add(owner.signal)
            elif owner.kind == "quoting":
                quoted = found.last if quoted is None else quoted
            else:
                aged = True
        kept = [s for s, last in signals.items() if s not in unless and (quoted is None or last <= quoted)]
        return Reading(
            tuple(sorted(kept, key=self._order.__getitem__)),
            "?" in text or bool(raw and raw[0] in self._questions),
            _age(raw) if aged and quoted is None else None,
            tuple(raw[-_TAIL:]),
        )


#: Words of a message that are kept for the next one.
_TAIL: Final = 6
_AGE: Final = re.compile(r"\d{1,2}")


def _age(raw: Sequence[str]) -> int | None:
    """Return the first number that can be an age."""
    numbers = [int(token) for token in raw if _AGE.fullmatch(token)]
    return next((number for number in numbers if 8 <= number <= 80), None)


def _shortest(parts: Sequence[Part]) -> int:
    """Return the number of words with which a phrase can do."""
    lengths = (min(length(words) for words in part.choices) for part in parts if not part.optional)
    return sum(lengths)


def _one(word: str) -> str:
    folded = tokens(fold(word))
    return folded[0].replace("'", "") if folded else ""


@lru_cache
def shipped() -> Lexicon:
    """Return the lexicon of all languages that ship, compiled once."""
    return Lexicon([language_file(code) for code in LANGUAGES])


def language_file(code: str) -> LanguageFile:
    """Return the shipped file of one language."""
    name = f"languages/{code}.toml"
    text = resources.files("tutela.signals.conversation").joinpath(name).read_text(encoding="utf-8")
    return parse_language(text, source=name)
