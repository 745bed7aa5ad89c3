"""The pattern language of the language files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.signals.conversation.errors import BadLanguageFile
from tutela.signals.conversation.phrases import Gap, Phrases, variants
from tutela.signals.conversation.spelling import fold, tokens
from tutela.signals.conversation.vocabulary import Vocabulary

SETS = {"you": ["you", "u"], "parents": ["mum", "dad", "mum and dad"]}


def finds(phrase: str, text: str, before: str = "") -> bool:
    ways = [(0, way) for way in variants(phrase, SETS)]
    known = {word for _, way in ways for step in way if not isinstance(step, Gap) for word in step}
    vocabulary = Vocabulary(known, {})
    matcher = Phrases(ways, vocabulary.ids)
    earlier = [ids for token in tokens(fold(before)) for ids in vocabulary.read(token)]
    words = [ids for token in tokens(fold(text)) for ids in vocabulary.read(token)]
    return any(True for _ in matcher.find([*earlier, *words], start=len(earlier)))


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("how old are <you>", "HOW OLD ARE U???"),
        ("tell <parents>", "you can tell mum and dad"),
        ("(do not|dont) tell", "do not tell"),
        ("tell [your] <parents>", "tell dad"),
        ("tell [your] <parents>", "tell your dad"),
        ("send .. picture", "send me a nice picture"),
        ("secret*", "secretly"),
        ("im #", "im 13"),
        ("(<parents>|him) knows", "mum and dad knows"),
        ("🤫", "ok 🤫"),
        ("ab .. bc .. cd", "ab xx bc xx xx cd"),
    ],
)
def test_a_phrase_is_found(phrase: str, text: str) -> None:
    assert finds(phrase, text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("how old are <you>", "how old is he"),
        ("send .. picture", "send me one two three four picture"),
        ("tell <parents>", "tell and dad"),
        ("secret*", "secre"),
        ("im #", "im 1300"),
        ("a b", "b a"),
    ],
)
def test_other_words_are_not(phrase: str, text: str) -> None:
    assert not finds(phrase, text)


def test_a_phrase_may_run_over_two_messages_but_must_end_in_the_second() -> None:
    assert finds("how old are <you>", "are you", before="how old")
    assert not finds("how old are <you>", "ok", before="how old are you")


@pytest.mark.parametrize(
    ("phrase", "told"),
    [
        ("tell <mums>", "<mums>"),
        ("tell (a|b", "cannot be read"),
        ("..", "no word"),
        ("()", "no word"),
        ("(a|<parents> x)", "stands alone"),
        ("[a] [b] [c] [d] [e] [f] [g] [h] [i]", "sequences"),
        ("?!", "no letter"),
    ],
)
def test_a_malformed_phrase_is_told_with_its_place(phrase: str, told: str) -> None:
    with pytest.raises(BadLanguageFile, match=told.replace("(", r"\(")) as error:
        variants(phrase, SETS)
    assert phrase in error.value.message or told == "no letter"


@given(st.text(alphabet="ab()[]|<>.*# ", max_size=30))
def test_any_text_is_a_phrase_or_a_clear_error(phrase: str) -> None:
    try:
        found = variants(phrase, SETS)
    except BadLanguageFile:
        return
    assert all(way and not isinstance(way[0], Gap) and not isinstance(way[-1], Gap) for way in found)
