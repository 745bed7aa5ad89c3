"""Composing, replaying, fitting: on small numbers, with the banks that ship."""

from __future__ import annotations

import random

import numpy as np
import pytest

from signals.conversation.reading import reader
from tutela.research import training
from tutela.research.chats import Chat, Turn
from tutela.research.composing import BANKS, bank, compose, plan
from tutela.research.errors import TooFew
from tutela.research.evaluation import measure, replayed
from tutela.research.replay import replay
from tutela.research.scripts import filled
from tutela.research.segments import pieces
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.features import lowering, names
from tutela.signals.conversation.model import encode_model, parse_model
from tutela.signals.conversation.stages import stages

APPROACH = ("how old are u", "dont tell your mum", "are you alone", "add me on snapchat", "send me a picture")


def chat(*texts: str, approach: bool = False, number: int = 0, stage: bool = False) -> Chat:
    turns = tuple(
        Turn("other", text, i * 60_000, "request" if stage and "picture" in text else None)
        for i, text in enumerate(texts)
    )
    suspects = frozenset(("other",)) if approach else frozenset()
    return Chat(f"c{number}", turns, approach, suspects, "en", "approach" if approach else "friends", f"g{number}")


def small_corpus() -> list[Chat]:
    rng = random.Random(5)
    found = []
    for number in range(90):
        if number % 2:
            found.append(chat(*rng.sample(APPROACH, 4), approach=True, number=number))
        else:
            found.append(chat("nice weather", rng.choice(APPROACH), "you are cute", number=number))
    return found


@pytest.mark.parametrize("language", BANKS)
def test_every_line_of_a_bank_can_be_filled(language: str) -> None:
    lines = bank(language)
    rng = random.Random(1)
    parts = [*lines.approach.values(), *lines.harmless.values(), lines.smalltalk, lines.opening]
    assert set(lines.approach) == {s.id for s in stages() if s.by == "other"} - {"intimacy"}
    for part in parts:
        for line in (*part.other, *part.user, *part.open):
            for _ in range(5):
                text = filled(line, lines.slots, rng)
                assert "{" not in text
                assert "|" not in text


def test_the_same_seed_composes_the_same_chats() -> None:
    assert list(compose(20, seed=3)) == list(compose(20, seed=3))
    assert list(compose(20, seed=3)) != list(compose(20, seed=4))


def test_composed_chats_tell_the_truth_about_each_line() -> None:
    chats = list(compose(60, seed=8))
    assert {one.approach for one in chats} == {True, False}
    for one in chats:
        staged = [turn for turn in one.turns if turn.stage]
        assert bool(staged) == one.approach
        assert all(turn.author == "other" for turn in staged)
        times = [turn.time or 0 for turn in one.turns]
        assert times == sorted(times)


def test_a_request_is_never_first() -> None:
    rng = random.Random(2)
    assert all(plan(rng)[0] not in ("request", "pressure", "threat", "self-harm") for _ in range(500))


def test_what_comes_before_a_request_is_told_apart() -> None:
    one = replay(chat(*APPROACH, approach=True, stage=True), reader())
    (walk,) = one.walks
    assert walk.request == 5
    assert [step.place for step in walk.steps] == [1, 2, 3, 4, 5]
    model = reader().model
    assert walk.score(model, before=5) < walk.score(model)
    assert (walk.reached(model, Level.NUDGE) or 99) <= 5


def test_a_text_without_speakers_is_read_as_one() -> None:
    text = "hello there how old are u im 13 ok dont tell your mum leave me alone"
    one = replay(Chat("s", pieces(text), True, authors_known=False), reader())
    (walk,) = one.walks
    shown = {name for name in walk.steps[-1].features if name.startswith("signal:")}
    assert {"signal:asks-age", "signal:hide-from-parents", "signal:refuses"} <= shown
    assert not shown & lowering()


def test_everybody_in_a_harmless_chat_is_looked_at() -> None:
    turns = (Turn("a", "are you alone"), Turn("b", "dont tell your mum"), Turn("a", "nice"))
    one = replay(Chat("x", turns, False), reader())
    assert [walk.author for walk in one.walks] == ["a", "b"]


def test_fitting_keeps_signs_and_separates() -> None:
    replays = [replay(one, reader()) for one in small_corpus()]
    model = training.train(replays, per_thousand=0, trained_on="a test")
    for name, weight in model.weights.items():
        assert name in names()
        assert (weight <= 0) if name in lowering() else (weight >= 0)
    assert parse_model(encode_model(model)) == model
    measured = measure(replays, model, times=20)
    assert measured.facts["auc"] > 0.95
    assert measured.facts["false_alarms"]["nudge"]["alarms"] == 0
    assert measured.facts["by_language"]["en"]["conversations"] == 90


def test_the_prior_stays_where_examples_say_nothing() -> None:
    believed = training.prior()
    fitted = training.fit([replay(one, reader()) for one in small_corpus()], believed, trained_on="a test")
    weights = dict(zip(names(), believed.weights(), strict=True))
    assert fitted.weights["signal:share-threat"] == pytest.approx(weights["signal:share-threat"], abs=1e-3)


def test_calibration_makes_probabilities_hold() -> None:
    rng = np.random.default_rng(0)
    replays = [replay(one, reader()) for one in small_corpus()]
    model = training.calibrated(reader().model, replays)
    assert model.calibration.slope > 0
    scores = rng.normal(size=20)
    told = [model.calibrated(float(score)) for score in np.sort(scores)]
    assert told == sorted(told)


def test_too_few_chats_are_told() -> None:
    replays = [replay(one, reader()) for one in small_corpus()]
    with pytest.raises(TooFew):
        training.fit(replays[:10], training.prior(), trained_on="x")
    with pytest.raises(TooFew):
        training.calibrated(reader().model, [one for one in replays if one.chat.approach])
    with pytest.raises(TooFew):
        measure([], reader().model)


def test_several_processes_read_the_same() -> None:
    chats = list(compose(140, languages=["en"], seed=6))
    one, two = replayed(chats, jobs=1), replayed(chats, jobs=2)
    assert [r.walks for r in one] == [r.walks for r in two]
