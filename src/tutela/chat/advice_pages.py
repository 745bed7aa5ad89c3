"""What the templates about the conversation guard read: the card, the pause, the settings. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tutela.chat.advising import Paused
from tutela.chat.helplines import WIDE, by_name, countries
from tutela.device.conversation import Advice, AgeGroup, Choice, Limits, Settings
from tutela.device.conversation.advice import choice_label
from tutela.device.conversation.settings import lowest_shown
from tutela.language import N_, Words
from tutela.signals.conversation.decision import Level

GROUPS: Final = {
    AgeGroup.CHILD: N_("Under 13"),
    AgeGroup.TEEN: N_("13 to 17"),
    AgeGroup.ADULT: N_("18 or older"),
}
LEVELS: Final = {
    Level.TIP: (N_("Everything"), N_("Small tips between the messages, too.")),
    Level.NUDGE: (N_("Only when it may matter"), N_("A card when something often comes before harm.")),
    Level.WARNING: (N_("Only when it is serious"), N_("A card when somebody threatens or pushes.")),
    Level.QUIET: (N_("Nothing"), N_("Tutela does not read along.")),
}
_ICONS: Final = {
    Choice.FINE: "check",
    Choice.TELL: "talk",
    Choice.BLOCK: "hidden",
    Choice.LEAVE: "leave",
    Choice.REPORT: "flag",
    Choice.HELP: "help",
}


@dataclass(frozen=True)
class Button:
    """One choice."""

    id: str
    label: str
    icon: str


@dataclass(frozen=True)
class CardView:
    """The card above the composer."""

    id: str
    level: str
    focus: str
    title: str
    text: str
    reasons: Sequence[str]
    buttons: Sequence[Button]


@dataclass(frozen=True)
class PauseView:
    """What a sender is asked."""

    id: str
    title: str
    text: str
    words: str
    """Their own message."""


@dataclass(frozen=True)
class Option:
    """One answer of several."""

    value: str
    title: str
    text: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class SettingsView:
    """The settings page."""

    groups: Sequence[Option]
    levels: Sequence[Option]
    places: Sequence[Option]
    bounded: bool
    """Whether there is something that this account cannot choose."""
    adult: bool
    pauses: bool


def card_view(advice: Advice, id: str, words: Words, *, reporting: bool) -> CardView:
    """Return an advice as the card shows it; without a report where there is nobody to report to."""
    offered = [choice for choice in advice.choices if reporting or choice is not Choice.REPORT]
    return CardView(
        id=id,
        level=advice.level.word,
        focus=advice.focus.value,
        title=advice.title(words),
        text=advice.text(words),
        reasons=advice.told_reasons(words),
        buttons=[Button(choice.value, choice_label(choice, words), _ICONS[choice]) for choice in offered],
    )


def pause_view(paused: Paused, words: Words) -> PauseView:
    """Return a pause as the page shows it."""
    return PauseView(paused.id, paused.pause.title(words), paused.pause.text(words), paused.text)


def settings_view(settings: Settings, allowed: Limits, words: Words) -> SettingsView:
    """Return the settings page for an account that may choose what is `allowed`."""
    lowest = lowest_shown(settings, allowed)
    levels = [
        level for level in LEVELS if (allowed.may_switch_off if level is Level.QUIET else level <= allowed.at_most)
    ]
    known = by_name([country for country in countries() if country.code not in WIDE], words)
    return SettingsView(
        groups=[Option(g.value, words.text(name), chosen=g is settings.group) for g, name in GROUPS.items()],
        levels=[_level(level, words, chosen=level is (lowest or Level.QUIET)) for level in levels],
        places=[
            Option("", words.text(N_("Another country")), chosen=not settings.jurisdiction),
            *(Option(c.code, words.text(c.name), chosen=c.code == settings.jurisdiction) for c in known),
        ],
        bounded=len(levels) < len(LEVELS),
        adult=settings.group is AgeGroup.ADULT,
        pauses=settings.speaks_for_sender,
    )


def _level(level: Level, words: Words, *, chosen: bool) -> Option:
    title, text = LEVELS[level]
    return Option(level.word, words.text(title), words.text(text), chosen)
