"""What the user reads: complete, in their language, and never an accusation or a score."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import pytest

from tutela.device.conversation.advice import CHOICES, Advice, Choice, Focus, advise, trusted_message
from tutela.device.conversation.settings import AgeGroup
from tutela.language import LANGUAGES, words
from tutela.signals.conversation.conversation import Assessment, Reason
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.stages import stages

SPOKEN = [level for level in Level if level]
EVERY = [
    Advice(level, focus, group, (), (), ())
    for level, focus, group in product(SPOKEN, Focus, AgeGroup)
    if focus is Focus.GENERAL or level is Level.WARNING
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("advice", EVERY, ids=lambda a: f"{a.level.word}-{a.focus.value}-{a.group.value}")
def test_every_state_has_words(advice: Advice, language: str) -> None:
    spoken = words(language)
    shown = f"{advice.title(spoken)} {advice.text(spoken)}"
    assert len(shown) > 30
    assert not re.search(r"\d|%|predator|groom|pervert|criminal|suspect|pédophile|prédateur", shown, re.IGNORECASE)
    assert len(advice.text(spoken)) < 320


def test_every_choice_has_a_label_and_help_is_always_there() -> None:
    for level in SPOKEN:
        assert Choice.HELP in CHOICES[level]
        assert Choice.FINE in CHOICES[level]
    assert set(CHOICES[Level.NUDGE]) == set(CHOICES[Level.WARNING]) == set(Choice)


def assessment(level: Level, *names: str) -> Assessment:
    by_id = {stage.id: stage for stage in stages()}
    reasons = tuple(Reason(by_id[name], (), 5.0 - i, (f"${name}",)) for i, name in enumerate(names))
    return Assessment(level, True, 0.99, 3.0, reasons, ())


def test_a_threat_is_spoken_to_first_and_only_three_reasons_are_told() -> None:
    advice = advise(assessment(Level.WARNING, "age", "flattery", "secrecy", "request", "threat"), AgeGroup.TEEN)
    assert advice.focus is Focus.THREAT
    assert advice.stages == ("threat", "age", "flattery")
    assert len(advice.evidence) == 5


def test_where_some_of_it_was_elsewhere_that_is_said() -> None:
    note = "Some of it was in another chat with the same person."
    here, there = assessment(Level.NUDGE, "age"), assessment(Level.NUDGE, "age", "secrecy")
    there = replace(there, reasons=(there.reasons[0], replace(there.reasons[1], evidence=())))
    assert advise(there, AgeGroup.TEEN, elsewhere=True).reasons[-1] == note
    assert note not in advise(here, AgeGroup.TEEN, elsewhere=True).reasons
    assert note not in advise(there, AgeGroup.TEEN).reasons


def test_self_harm_goes_before_a_threat() -> None:
    assert advise(assessment(Level.WARNING, "threat", "self-harm"), AgeGroup.CHILD).focus is Focus.SELF_HARM


def test_the_facts_hold_what_is_shown_and_no_number_of_the_model() -> None:
    facts = advise(assessment(Level.NUDGE, "secrecy"), AgeGroup.TEEN).facts(words("en"))
    assert set(facts) == {"level", "focus", "title", "text", "reasons", "choices", "evidence"}
    assert "0.99" not in str(facts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_draft_to_somebody_trusted_names_nobody(language: str) -> None:
    draft = trusted_message(words(language))
    assert "@" not in draft
    assert 20 < len(draft) < 200
