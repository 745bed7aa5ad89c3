"""What is kept of how a side sounds: highest values that nothing takes back, and means that may move."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tutela.signals.conversation.hearing import LOUDEST, Hearing

ODDS = st.lists(st.floats(-50, 50), max_size=40)


def heard(odds: list[float]) -> Hearing:
    hearing = Hearing()
    for one in odds:
        hearing.hear_approach(one)
        hearing.hear_known(one)
    return hearing


@given(ODDS, st.floats(-50, 50))
def test_one_more_message_takes_nothing_back(odds: list[float], more: float) -> None:
    before, after = heard(odds), heard([*odds, more])
    assert sum(after.loudest) >= sum(before.loudest)
    assert after.highest_run >= before.highest_run
    assert after.highest_recent >= before.highest_recent


@given(ODDS)
def test_it_stays_small_and_bounded(odds: list[float]) -> None:
    hearing = heard(odds)
    assert len(hearing.loudest) <= LOUDEST
    assert hearing.loudest == sorted(hearing.loudest, reverse=True)
    assert abs(hearing.known.value) <= 6
    assert 0 <= hearing.highest_recent <= 6


def test_few_messages_say_little_and_old_ones_count_less() -> None:
    assert heard([4.0]).known.value == 1.0
    assert heard([4.0] * 30).known.value > 3.5
    turned = heard([4.0] * 20 + [-4.0] * 20)
    assert turned.recently_known.value < turned.known.value < 0.5


@given(ODDS, ODDS)
def test_what_was_heard_elsewhere_takes_nothing_back(here: list[float], there: list[float]) -> None:
    alone, both = heard(here), heard(here)
    both.join(heard(there), 0.5)
    assert sum(both.loudest) >= sum(alone.loudest)
    assert both.highest_run >= alone.highest_run
    assert both.highest_recent >= alone.highest_recent
    assert len(both.loudest) <= LOUDEST


def test_time_takes_from_everything() -> None:
    hearing = heard([3.0] * 10)
    hearing.fade(0.0)
    assert (sum(hearing.loudest), hearing.highest_run, hearing.highest_recent, hearing.known.value) == (0, 0, 0, 0)
