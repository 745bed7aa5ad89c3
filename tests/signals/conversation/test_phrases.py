"""The pattern language of the language files."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.signals.conversation.errors import BadLanguageFile
from tutela.signals.conversation.phrases import Automaton, Part, parse, words_of
from tutela.signals.conversation.spelling import fold, tokens
from tutela.signals.conversation.vocabulary import Vocabulary

SETS = {"you": ["you", "u"], "parents": ["mum", "dad", "mum and dad"]}


def finds(phrase: str, text: str, before: str = "") -> bool:
    parts = parse(phrase, SETS)
    vocabulary = Vocabulary(words_of(parts), {})
    automaton = Automaton([(0, parts)], vocabulary.ids)
    earlier = [ids for token in tokens(fold(before)) for ids in vocabulary.read(token)]
    words = [ids for token in tokens(fold(text)) for ids in vocabulary.read(token)]
    edge = [automaton.edge] if automaton.edge else []
    start = len(earlier) + len(edge)
    return any(found.last >= start for found in automaton.find([*earlier, *edge, *words, *edge]))


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
        ("(ask|tell <parents>) it", "tell mum and dad it"),
        ("🤫", "ok 🤫"),
        ("ab .. bc .. cd", "ab xx bc xx xx cd"),
        ("^ alone ^", "Alone?"),
        ("are <you> ^", "how are u"),
        ("(^|ok) bye", "bye now"),
        ("(^|ok) bye", "well ok bye"),
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
        ("^ alone ^", "let me alone"),
        ("^ alone ^", "alone at last"),
        ("ab .. ^ bc", "ab bc"),
    ],
)
def test_other_words_are_not(phrase: str, text: str) -> None:
    assert not finds(phrase, text)


def test_a_phrase_may_run_over_two_messages_but_must_end_in_the_second() -> None:
    assert finds("how old are <you>", "are you", before="how old")
    assert not finds("how old are <you>", "ok", before="how old are you")


def test_the_edge_of_a_message_is_between_two_of_them_and_in_no_phrase_s_way() -> None:
    assert finds("how .. are <you> ^", "are you", before="how old")
    assert finds("^ alone ^", "alone", before="are you")
    assert not finds("alone ^", "ok", before="are you alone")
    assert not finds("^ alone ^", "alone with you", before="hi")


@pytest.mark.parametrize(
    ("phrase", "told"),
    [
        ("tell <mums>", "<mums>"),
        ("tell (a|b", "cannot be read"),
        ("..", "no word"),
        ("()", "empty"),
        ("[ab] [bc]", "no word"),
        ("[ab] ..", "no word"),
        ("^ ^", "no word"),
        ("?!", "no letter"),
    ],
)
def test_a_malformed_phrase_is_told_with_its_place(phrase: str, told: str) -> None:
    with pytest.raises(BadLanguageFile, match=told.replace("(", r"\(")) as error:
        parse(phrase, SETS)
    assert phrase in error.value.message or told == "no letter"


@given(st.text(alphabet="ab()[]|<>.*# ", max_size=30))
def test_any_text_is_a_phrase_or_a_clear_error(phrase: str) -> None:
    with contextlib.suppress(BadLanguageFile):
        assert words_of(parse(phrase, SETS))


PHRASE = st.lists(
    st.sampled_from(["v1", "w1", "(v1|w1)", "[x1]", "..", "(v1 w1|y1)", "(v1 .. x1|y1)", "[..]"]),
    min_size=1,
    max_size=5,
).map(" ".join)


@given(st.lists(PHRASE, min_size=1, max_size=4), st.lists(st.sampled_from(["v1", "w1", "x1", "y1", "z1"]), max_size=9))
def test_the_automaton_finds_what_a_regular_expression_finds(phrases: list[str], said: list[str]) -> None:
    given_ones, patterns = [], []
    for phrase in phrases:
        try:
            parts = parse(phrase, SETS)
        except BadLanguageFile:
            continue
        given_ones.append((len(given_ones), parts))
        patterns.append(re.compile("(?<!\\S)" + "".join(map(_expression, parts)) + "$"))
    words = ("v1", "w1", "x1", "y1")
    vocabulary = {word: number for number, word in enumerate(words)}
    automaton = Automaton(given_ones, vocabulary)
    ids = [(vocabulary[word],) if word in vocabulary else () for word in said]
    found = {(one.owner, one.last) for one in automaton.find(ids)}
    expected = {
        (owner, place)
        for place in range(len(said))
        for owner, pattern in enumerate(patterns)
        if pattern.search(" ".join(said[: place + 1]) + " ")
    }
    assert found == expected


def _expression(part: Part) -> str:
    inside = "|".join(
        "".join(r"(?:\S+ ){0,3}" if word == ".." else word + " " for word in words) for words in part.choices
    )
    return f"(?:{inside}){'?' if part.optional else ''}"
