"""Folding and readings of what people type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.signals.conversation.spelling import END, TOKEN, ends, fold, readings, tokens


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("Don’t TELL", "don't tell"),
        ("sécrèt", "secret"),
        ("ｓｅｃｒｅｔ", "secret"),
        ("𝐬𝐞𝐜𝐫𝐞𝐭", "secret"),
        ("ѕесrеt", "secret"),
        ("s\u200be\u200bc\u200cret", "secret"),
        ("s̷e̶c̴r̵e̸t̷", "secret"),
        ("Straße", "strasse"),
        ("a\ud800b", "ab"),
    ],
)
def test_disguises_of_letters_fold_away(typed: str, folded: str) -> None:
    assert fold(typed) == folded


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("s e c r e t", ["secret"]),
        ("s.e.c.r.e.t!", ["secret"]),
        ("i c u", ["i", "c", "u"]),
        ("ok 🤫 ?", ["ok", "🤫"]),
        ("14f, 13yo", ["14", "f", "13", "yo"]),
        ("200m 2for1", ["200m", "2for1"]),
        ("", []),
    ],
)
def test_letters_that_stand_alone_are_joined(typed: str, found: list[str]) -> None:
    assert tokens(fold(typed)) == found


@pytest.mark.parametrize(
    ("token", "reading"),
    [
        ("s3cr3t", "secret"),
        ("$ecret", "secret"),
        ("p1c", "pic"),
        ("te1l", "tell"),
        ("l'adresse", "adresse"),
        ("mum's", "mum"),
        ("sooooo", "so"),
        ("heeey", "hey"),
        ("m@ma", "mama"),
    ],
)
def test_a_token_may_stand_for_its_plain_spelling(token: str, reading: str) -> None:
    assert reading in readings(token)


def test_a_plain_word_is_read_as_it_stands() -> None:
    assert readings("secret") == ["secret"]


@given(st.text(max_size=300))
def test_nothing_that_can_be_typed_fails(text: str) -> None:
    for token in tokens(fold(text)):
        found = readings(token)
        assert found
        assert all(len(one) <= TOKEN for one in found)
        assert len(found) <= 60


def test_only_both_ends_of_a_long_message_are_read() -> None:
    text = "a" * END + "b" * 1_000_000 + "c" * END
    assert ends(text) == "a" * END + " " + "c" * END
