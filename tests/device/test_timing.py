"""What somebody learns who runs provider and homeserver, and joins the times of checks to those of uploads.

The content of a check is hidden perfectly (`tests/matching/test_shield.py`); its time is not. A check that no upload
follows may be a stop, a picture that was chosen and not sent after all, or a cover check. The observer's *advantage*
is how much better than guessing they tell a day with stops from a day without (0: not at all, 1: always).
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest

from tutela.device.cover import DAY_SECONDS, next_delay
from tutela.lists import defaults

#: Assumptions about a person, printed with the result: pictures chosen a day, and the share not sent after all.
CHOSEN_A_DAY = 6
NOT_SENT_AFTER_ALL = 0.25
#: An upload follows its check within this time (seconds), or never.
PATIENCE = 600.0
DAYS = 20_000


@dataclass(frozen=True)
class Habits:
    checked_when_chosen: bool
    covers_a_day: int


def one_day(habits: Habits, stops: int, rng: random.Random) -> tuple[list[float], list[float]]:
    """The times of checks and of uploads of one account on one day."""
    checks, uploads = [], []
    for _ in range(CHOSEN_A_DAY):
        chosen = rng.uniform(0, DAY_SECONDS)
        sent = rng.random() >= NOT_SENT_AFTER_ALL
        later = rng.expovariate(1 / 20)
        if habits.checked_when_chosen or sent:
            checks.append(chosen if habits.checked_when_chosen else chosen + later)
        if sent:
            uploads.append(chosen + later + 0.3)
    checks += [rng.uniform(0, DAY_SECONDS) for _ in range(stops)]
    cover = 0.0
    while (delay := next_delay(habits.covers_a_day, rng.randbytes)) is not None:
        cover += delay
        if cover > DAY_SECONDS:
            break
        checks.append(cover)
    return sorted(checks), sorted(uploads)


def unmatched(checks: list[float], uploads: list[float]) -> int:
    """Join each upload to the latest check before it that is not taken yet; count the checks left over."""
    left = list(checks)
    for upload in uploads:
        before = [check for check in left if upload - PATIENCE <= check <= upload]
        if before:
            left.remove(max(before))
    return len(left)


def advantage(habits: Habits, stops: int, seed: int = 1) -> float:
    """Total variation between the days with and without stops, by the number of checks left over."""
    rng = random.Random(seed)

    def count(s: int) -> Counter[int]:
        return Counter(unmatched(*one_day(habits, s, rng)) for _ in range(DAYS))

    without, with_ = count(0), count(stops)
    return sum(abs(without[n] - with_[n]) for n in {*without, *with_}) / 2 / DAYS


SHIPPED = Habits(checked_when_chosen=True, covers_a_day=defaults.POLICY.cover_checks_per_day)


def test_what_an_observer_of_times_gains(capsys: pytest.CaptureFixture[str]):
    naive = Habits(checked_when_chosen=False, covers_a_day=0)
    only_chosen = Habits(checked_when_chosen=True, covers_a_day=0)
    table = {
        "checked when sent, no cover checks": [advantage(naive, stops) for stops in (1, 3, 10)],
        "checked when chosen, no cover checks": [advantage(only_chosen, stops) for stops in (1, 3, 10)],
        "as shipped": [advantage(SHIPPED, stops) for stops in (1, 3, 10)],
    }
    with capsys.disabled():
        print(
            f"\nAn observer's advantage in telling a day with stops from one without ({CHOSEN_A_DAY} pictures chosen a "
            f"day, {NOT_SENT_AFTER_ALL:.0%} not sent after all, {SHIPPED.covers_a_day} cover checks):"
        )
        for name, row in table.items():
            print(f"  {name:38s} 1 stop {row[0]:.2f}   3 stops {row[1]:.2f}   10 stops {row[2]:.2f}")
    # Without the countermeasures the observer is certain; with them one stop hides, many do not. docs/security.md.
    assert table["checked when sent, no cover checks"][0] > 0.99
    assert table["as shipped"][0] < 0.25 < table["checked when chosen, no cover checks"][0]
    assert table["as shipped"][2] > 0.9


def test_joining_finds_every_sent_picture():
    rng = random.Random(2)
    habits = Habits(checked_when_chosen=True, covers_a_day=0)
    for stops in (0, 2):
        for _ in range(200):
            checks, uploads = one_day(habits, stops, rng)
            assert unmatched(checks, uploads) == len(checks) - len(uploads) >= stops
