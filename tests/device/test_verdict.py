from __future__ import annotations

import itertools

import pytest

from tutela.device.verdict import Direction, Outcome, Reason, Verdict
from tutela.language import words
from tutela.wire.manifest import Action
from tutela.wire.submission import ListClass

CASES = [
    Verdict(outcome, action, direction, reason, list_class)
    for outcome, action, direction, reason, list_class in itertools.product(
        Outcome, Action, Direction, Reason, [None, *ListClass]
    )
    if outcome is Outcome.UNCHECKED or outcome.value == action.value
]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_verdict_that_a_user_sees_has_words(language: str):
    for verdict in CASES:
        spoken = verdict.title(words(language)), verdict.text(words(language))
        if verdict.action is Action.ALLOW:
            assert spoken == ("", "")
        else:
            assert all(spoken)


def test_french_is_french():
    for verdict in CASES:
        if verdict.action is not Action.ALLOW:
            assert verdict.title(words("fr")) != verdict.title(words("en"))
            assert verdict.text(words("fr")) != verdict.text(words("en"))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_verdict_accuses(language: str):
    accusing = ("illegal", "crime", "abuse", "offen", "police", "guilty", "illég", "abus", "coupable", "interdit")
    for verdict in CASES:
        spoken = (verdict.title(words(language)) + verdict.text(words(language))).lower()
        assert not any(word in spoken for word in accusing)


def test_a_weaker_list_is_told_as_what_it_is():
    agreed, attested = (
        Verdict(Outcome.WARN, Action.WARN, Direction.OUTGOING, Reason.LISTED, c).text(words("en")) for c in ListClass
    )
    assert "one child-protection organisation" in attested
    assert "one child-protection organisation" not in agreed


def test_nobody_is_told_to_try_again_with_what_will_never_open():
    for language, again in (("en", "try again"), ("fr", "réessayer")):
        for reason in Reason:
            verdict = Verdict(Outcome.UNCHECKED, Action.WARN, Direction.OUTGOING, reason)
            assert (again in verdict.text(words(language))) is (reason is not Reason.UNREADABLE)


def test_a_picture_that_was_not_checked_is_never_said_to_be_listed():
    for verdict in CASES:
        if verdict.outcome is Outcome.UNCHECKED:
            assert "organisation" not in verdict.text(words("en"))
