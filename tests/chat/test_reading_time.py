"""When somebody reads a report, as a child is told it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tutela.chat.reading_time import when_read
from tutela.language import words
from tutela.wire.report import ReadingTime

BRUSSELS = ZoneInfo("Europe/Brussels")
#: 18:20 in Brussels, a Tuesday.
NOW = datetime(2026, 11, 24, 17, 20, tzinfo=UTC)


def told(nobody_for: int, within: int, *, now: datetime = NOW, language: str = "en") -> str:
    return when_read(ReadingTime(nobody_for=nobody_for, within=within), now=now, zone=BRUSSELS, words=words(language))


@pytest.mark.parametrize(
    ("nobody_for", "within", "said"),
    [
        (0, 15, "Somebody reads this within 15 minutes."),
        (0, 90, "Somebody reads this within 90 minutes."),
        (0, 91, "Somebody reads this within 2 hours."),
        (0, 240, "Somebody reads this within 4 hours."),
        (0, 720, "Somebody reads this within 12 hours."),
        (0, 1440, "Somebody reads this by tomorrow at 18:20."),
        (0, 4320, "Somebody reads this by Friday 27 November at 18:20."),
        (0, 1, "Somebody reads this within 2 minutes."),
        (0, 0, "Somebody reads this soon."),
        (100, 340, "Nobody reads this before 20:00."),
        (820, 1060, "Nobody reads this before tomorrow at 08:00."),
        (820 + 1440, 5000, "Nobody reads this before Thursday 26 November at 08:00."),
    ],
)
def test_it_is_said_plainly(nobody_for: int, within: int, said: str):
    assert told(nobody_for, within) == said


def test_in_french():
    nobody = when_read(ReadingTime(nobody_for=None, within=None), now=NOW, zone=BRUSSELS, words=words("fr"))
    assert nobody == "Personne ne peut le lire pour l’instant. Nous le gardons jusqu’à ce que quelqu’un soit là."
    assert told(820, 1060, language="fr") == "Personne ne le lira avant demain à 08:00."
    assert told(0, 240, language="fr") == "Quelqu’un le lira d’ici 4 heures."


def test_a_long_answer_on_the_same_day_names_the_hour():
    morning = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
    assert told(0, 800, now=morning) == "Somebody reads this by 20:20."


def test_clocks_that_are_changed_on_the_way():
    night = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)  # 23:00 in Brussels; at 2:00 it is 3:00
    assert told(8 * 60, 12 * 60, now=night) == "Nobody reads this before tomorrow at 08:00."
