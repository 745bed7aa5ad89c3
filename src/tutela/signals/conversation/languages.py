"""Which language a message is in, told on the device (py3langid; Lui and Baldwin, ACL 2012)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from tutela.signals.conversation.lexicon import LANGUAGES

#: A language below this share of probability is taken to be absent from a message: its phrases are not looked for,
#: since a word of one language may be an innocent one of another.
PLAUSIBLE = 0.02
_READ = 400


class Identifier(Protocol):
    """Gives the probability of each language that the guard knows."""

    def probabilities(self, text: str) -> dict[str, float]:
        """Return a probability for each language; they add up to 1."""
        ...


class Langid:
    """The identifier that ships: naive Bayes over byte sequences, limited to the languages of the lexicon."""

    def __init__(self, languages: Sequence[str] = LANGUAGES) -> None:
        """Load the model; it takes about half a second, once."""
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self._model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self._model.set_languages(list(languages))

    def probabilities(self, text: str) -> dict[str, float]:
        """Return a probability for each language."""
        return {language: float(share) for language, share in self._model.rank(text[:_READ])}


@lru_cache
def shipped_identifier() -> Identifier:
    """Return the identifier, loaded once."""
    return Langid()


def followed(before: dict[str, float], message: dict[str, float]) -> dict[str, float]:
    """Return the shares of languages of one writer after one more message: a slow mean of logarithms.

    A short message says little about its language, so what its writer used before counts; and people change.
    """
    mixed = {
        language: math.exp(0.7 * math.log(before.get(language, 1 / len(message)) + 1e-4) + math.log(share + 1e-4))
        for language, share in message.items()
    }
    total = sum(mixed.values())
    return {language: value / total for language, value in mixed.items()}


def plausible(message: dict[str, float], writer: dict[str, float]) -> frozenset[str]:
    """Return the languages that a message may be in."""
    return frozenset(
        language for language, share in message.items() if share >= PLAUSIBLE or writer.get(language, 0.0) >= PLAUSIBLE
    )
