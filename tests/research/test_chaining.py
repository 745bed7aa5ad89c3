"""Conversations made of scripts and everyday chats, and learning across authors."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import pytest

from tutela.research import learning
from tutela.research.chaining import chain, generated, shipped_scripts
from tutela.research.everyday import parse_everyday, shipped_everyday
from tutela.research.learning import dealt, learn
from tutela.research.phrasing import phrased
from tutela.research.scripts import filled, parse_scripts
from tutela.research.tagging import of_phrases
from tutela.signals.conversation.language_file import LanguageFile
from tutela.signals.conversation.lexicon import LANGUAGES, Lexicon, language_file

SCRIPTS = shipped_scripts()
TALKS = shipped_everyday()


def test_every_script_that_ships_can_be_filled() -> None:
    rng = random.Random(3)
    for script in SCRIPTS:
        for line in script.lines:
            text = filled(line.text, script.slots, rng)
            assert not set(text) & set("{}"), (script.group, script.slug, line.text)


def test_scripts_name_their_author_once_and_only_approaches_have_stages() -> None:
    assert {script.language for script in SCRIPTS} == set(LANGUAGES)
    names = Counter((script.group, script.slug) for script in SCRIPTS)
    assert [name for name, times in names.items() if times > 1] == []
    for script in SCRIPTS:
        staged = [line for line in script.lines if line.stage]
        assert bool(staged) == (script.kind == "approach"), (script.group, script.slug)
        assert all(line.author == "other" for line in staged)


def test_everyday_chats_are_read_in_blocks() -> None:
    text = "# two neighbours\nhi {there|}\nhello\n\n\nonly one\n\nis it raining?\nit is\nok\n"
    first, second = parse_everyday(text, language="en", group="en-e1")
    assert first.messages == ("hi {there|}", "hello")
    assert len(second.messages) == 3


def test_everyday_chats_ship_in_every_language() -> None:
    assert {talk.language for talk in TALKS} == set(LANGUAGES)
    rng = random.Random(4)
    for talk in TALKS:
        for message in talk.messages:
            assert not set(filled(message, {}, rng)) & set("{}"), (talk.group, message)


def test_chains_of_both_kinds_are_about_equally_long() -> None:
    chats = list(chain(SCRIPTS, 1400, talks=TALKS, seed=2))
    lengths = {kind: [len(c.turns) for c in chats if c.approach == kind] for kind in (True, False)}
    means = {kind: sum(found) / len(found) for kind, found in lengths.items()}
    assert 0.6 < means[True] / means[False] < 1.4
    for one in chats:
        assert bool([turn for turn in one.turns if turn.stage]) == one.approach
        times = [turn.time or 0 for turn in one.turns]
        assert times == sorted(times)


def test_the_same_seed_generates_the_same_chats() -> None:
    assert list(generated(30, seed=3)) == list(generated(30, seed=3))
    assert list(generated(30, seed=3)) != list(generated(30, seed=4))
    assert len(list(generated(31, seed=3, languages=["fr"]))) == 31


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_drawn_of_a_phrase_is_mostly_found_by_it(language: str) -> None:
    file = language_file(language)
    sets, rng = file.words_of_sets(), random.Random(5)
    lexicon = Lexicon({language: lambda: file})
    drawn = [
        (signal, phrased(phrase, sets, rng))
        for signal, given in list(file.signals.items())[::6]
        for phrase in given.phrases[::9]
    ]
    missed = [text for signal, text in drawn if signal not in lexicon.read(text).signals]
    assert len(missed) < 0.3 * len(drawn), missed[:5]


def test_a_tagger_never_hears_its_own_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[set[str]] = []
    monkeypatch.setattr(learning, "BANKS", ("en",))
    monkeypatch.setattr("tutela.research.tagging._STEPS", 6)
    monkeypatch.setattr(learning, "of_phrases", lambda *given: islice(of_phrases(*given), 0, None, 40))  # all take long
    made = learning.material

    def spied(scripts, talks, seed, **more):  # type: ignore[no-untyped-def]
        heard.append({script.group for script in scripts})
        return made(scripts, talks, seed, **more)

    monkeypatch.setattr(learning, "material", spied)
    some = [script for script in SCRIPTS if script.group in ("en-t01", "en-t02", "en-t21", "en-t22")]
    found = learn(some, TALKS[:20], chats=12)
    *folds, everyone = heard
    assert everyone == {script.group for script in some}
    dealing = dealt(everyone | {talk.group for talk in TALKS[:20]})
    for number, authors in enumerate(folds):
        assert authors == {author for author in everyone if dealing[author] != number}
    assert len(found.replays) >= 12


def test_unknown_slots_and_smileys_are_told_apart() -> None:
    text = "== en friends a b\n+0m other: {:)|bye} {:name}\n"
    (script,) = parse_scripts("slot name = Mia\n" + text, source="x")
    assert filled(script.lines[0].text, script.slots, random.Random(1)) in (":) Mia", "bye Mia")


def test_a_language_file_without_sets_can_be_drawn_from() -> None:
    file: LanguageFile = language_file("en")
    assert phrased("how old [are] (you|u) ..", file.words_of_sets(), random.Random(0)).startswith("how old")
