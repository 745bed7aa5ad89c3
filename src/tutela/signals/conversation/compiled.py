"""One language, compiled: what its phrases find in a message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tutela.signals.conversation.errors import BadLanguageFile
from tutela.signals.conversation.language_file import LanguageFile
from tutela.signals.conversation.phrases import Automaton, Part, parse, words_of
from tutela.signals.conversation.spelling import fold, tokens
from tutela.signals.conversation.stages import stage_of
from tutela.signals.conversation.vocabulary import Vocabulary


@dataclass(frozen=True)
class Hits:
    """What the phrases of one language find in a message."""

    signals: frozenset[str]
    """Without those that are taken back, or stand behind a quoting opening."""
    quotes: bool
    states_age: bool


@dataclass(frozen=True)
class _Owner:
    kind: str  # signal, unless, quoting, age
    signal: str


class CompiledLanguage:
    """The phrases of one file, as an automaton over its own words."""

    def __init__(self, file: LanguageFile) -> None:
        """Compile `file`. Raises `BadLanguageFile` where a phrase or a name does not hold."""
        self.code = file.language
        self.questions = frozenset(map(folded, file.questions))
        self._owners: list[_Owner] = []
        phrases = list(self._compile(file))
        spellings: dict[str, frozenset[str]] = {}
        for written, meant in file.spelling.items():
            known = frozenset(map(folded, meant.split("|")))
            spellings[folded(written)] = spellings.get(folded(written), frozenset()) | known
        words = set().union(*(words_of(parts) for _, parts in phrases))
        self._vocabulary = Vocabulary(words, spellings)
        self._automaton = Automaton(phrases, self._vocabulary.ids)
        self.phrases = len(phrases)

    def _compile(self, file: LanguageFile) -> Iterable[tuple[int, tuple[Part, ...]]]:
        sets = file.words_of_sets()
        unknown = [signal for signal in file.signals if signal not in stage_of()]
        if unknown:
            raise BadLanguageFile(f"{file.language}: there is no signal “{unknown[0]}” in stages.toml.")
        for signal, given in file.signals.items():
            yield from self._owned("signal", signal, given.phrases, sets)
            yield from self._owned("unless", signal, given.unless, sets)
        yield from self._owned("quoting", "", file.quoting, sets)
        yield from self._owned("age", "", file.ages.stated, sets)

    def _owned(
        self, kind: str, signal: str, phrases: Iterable[str], sets: dict[str, list[str]]
    ) -> Iterable[tuple[int, tuple[Part, ...]]]:
        """Give all phrases of a kind and signal the number of one owner."""
        number = len(self._owners)
        self._owners.append(_Owner(kind, signal))
        for phrase in phrases:
            try:
                parts = parse(phrase, sets)
            except BadLanguageFile as error:
                raise BadLanguageFile(f"{self.code}, {signal or kind}: {error.message}") from error
            if kind == "age" and sum(part.choices == (("#",),) for part in parts) != 1:
                raise BadLanguageFile(f"{self.code}, ages: “{phrase}” needs one #.")
            yield number, parts

    def read(self, raw: Sequence[str], before: Sequence[str]) -> Hits:
        """Find phrases in raw tokens, of which some may have begun in `before`, the end of the message before."""
        words = self._places(raw)
        earlier = self._places(before)
        edge = [self._automaton.edge] if self._automaton.edge else []
        start = len(earlier) + len(edge)
        quoted: int | None = None
        signals: dict[str, int] = {}
        unless: set[str] = set()
        counted: set[str] = set()
        aged = False
        for found in self._automaton.find([*earlier, *edge, *words, *edge]):
            owner = self._owners[found.owner]
            if found.last < start:
                counted.add(owner.signal)
            elif owner.kind == "signal":
                signals.setdefault(owner.signal, found.last)
            elif owner.kind == "unless":
                unless.add(owner.signal)
            elif owner.kind == "quoting":
                quoted = found.last if quoted is None else quoted
            else:
                aged = True
        kept = {signal for signal, last in signals.items() if quoted is None or last <= quoted} - unless
        if kept & counted:  # what counted in the message before may only have grown longer
            anew = {self._owners[found.owner] for found in self._automaton.find([*edge, *words, *edge])}
            kept -= counted - {owner.signal for owner in anew if owner.kind == "signal"}
        return Hits(frozenset(kept), quoted is not None, aged)

    def _places(self, raw: Sequence[str]) -> list[tuple[int, ...]]:
        return [ids for token in raw for ids in self._vocabulary.read(token)]


def folded(word: str) -> str:
    """Return the first word of a text, folded."""
    found = tokens(fold(word))
    return found[0].replace("'", "") if found else ""
