"""Days, times and numbers as people read them."""

from __future__ import annotations

from datetime import date
from typing import Final

from tutela.language import N_, Words

_DAYS: Final = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
_MONTHS: Final = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)
_NARROW_SPACE: Final = "\u202f"


def day_name(day: date, *, today: date, words: Words) -> str:
    """Return *Today*, *Yesterday* or such as *Monday 24 November*."""
    if (age := (today - day).days) in (0, 1):
        return words.text((N_("Today"), N_("Yesterday"))[age])
    return weekday_and_date(day, words)


def weekday_and_date(day: date, words: Words) -> str:
    """Return such as *Monday 24 November*."""
    weekday, month = words.text(_DAYS[day.weekday()]), words.text(_MONTHS[day.month - 1])
    return words.text(N_("{weekday} {day} {month}"), weekday=weekday, day=day.day, month=month)


def full_date(day: date, words: Words) -> str:
    """Return such as *24 November 2026*."""
    return words.text(N_("{day} {month} {year}"), day=day.day, month=words.text(_MONTHS[day.month - 1]), year=day.year)


def number(value: int, words: Words) -> str:
    """Return `value` with its thousands apart."""
    return f"{value:,}" if words.language == "en" else f"{value:,}".replace(",", _NARROW_SPACE)
