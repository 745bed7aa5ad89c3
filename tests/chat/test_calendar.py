"""Days and numbers read well in both languages."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tutela.chat.calendar import day_name, full_date, number
from tutela.language import words

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("age", "english", "french"),
    [
        (0, "Today", "Aujourd’hui"),
        (1, "Yesterday", "Hier"),
        (2, "Sunday 22 November", "Dimanche 22 novembre"),
        (-1, "Wednesday 25 November", "Mercredi 25 novembre"),
        (200, "Friday 8 May", "Vendredi 8 mai"),
    ],
)
def test_day_name(age: int, english: str, french: str):
    day = TODAY - timedelta(days=age)
    assert day_name(day, today=TODAY, words=words("en")) == english
    assert day_name(day, today=TODAY, words=words("fr")) == french


def test_full_date():
    assert full_date(TODAY, words("en")) == "24 November 2026"
    assert full_date(TODAY, words("fr")) == "24 novembre 2026"


def test_number():
    assert number(1_234_567, words("en")) == "1,234,567"
    assert number(1_234_567, words("fr")) == "1\u202f234\u202f567"
    assert number(12, words("fr")) == "12"
