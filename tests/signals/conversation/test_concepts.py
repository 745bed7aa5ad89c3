"""The dictionary of concepts: what a word may mean, and that the shipped files hold together."""

from __future__ import annotations

import pytest

from tutela.signals.conversation.concepts import Concepts, parse_concepts, shipped_concepts
from tutela.signals.conversation.errors import BadLanguageFile
from tutela.signals.conversation.lexicon import LANGUAGES
from tutela.signals.conversation.spelling import fold

SMALL = Concepts(
    {
        "mother": {"en": "mum mom", "fr": "maman mère", "de": "mama"},
        "talk": {"en": "talk*", "fr": "parl*"},
        "gift": {"en": "gift present"},
        "poison": {"de": "gift"},
    }
)
EN, FR, DE = frozenset({"en"}), frozenset({"fr"}), frozenset({"de"})


@pytest.mark.parametrize(
    ("token", "languages", "meant"),
    [
        ("mum", EN, ("mother",)),
        ("mere", FR, ("mother",)),
        ("talking", EN, ("talk",)),
        ("tal", EN, ()),
        ("gift", EN, ("gift",)),
        ("gift", DE, ("poison",)),
        ("gift", EN | DE, ("poison", "gift")),
        ("gift", frozenset(), ()),
        ("muum", EN, ("mother",)),
        ("mxm", EN, ()),
        ("mummm", EN, ("mother",)),
        ("m0m", EN, ("mother",)),
        ("l'maman", FR, ("mother",)),
    ],
)
def test_what_a_token_may_mean(token: str, languages: frozenset[str], meant: tuple[str, ...]) -> None:
    assert SMALL.of(token, languages) == meant


def test_a_beginning_that_is_too_short_is_refused() -> None:
    with pytest.raises(BadLanguageFile, match="too short"):
        Concepts({"go": {"en": "go*"}})


@pytest.mark.parametrize("text", ["x = 1", "[a\n", '[a]\nen = ["list"]'])
def test_a_file_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadLanguageFile):
        parse_concepts(text, source="test.toml")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_knows_its_everyday_words(language: str) -> None:
    words = {
        "en": "mum phone secret",
        "fr": "maman téléphone secret",
        "es": "mamá móvil secreto",
        "de": "mama handy geheimnis",
        "nl": "mama telefoon geheim",
        "pt": "mãe telemóvel segredo",
        "it": "mamma telefono segreto",
    }[language]
    found = [shipped_concepts().of(word, frozenset({language})) for word in fold(words).split()]
    meant = [{"mother"}, {"phone"}, {"secret"}]
    assert all(want & set(have) for want, have in zip(meant, found, strict=True)), found
