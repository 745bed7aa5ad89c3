"""Every state and text of the conversation guard on one page, for whoever designs, translates or reviews it.

A file of its own: its style is inside, it needs no server, and nothing on it does anything.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

from tutela.chat.advice_pages import GROUPS, card_view, pause_view, settings_view
from tutela.chat.advising import SENT_TO, Chat, Paused
from tutela.chat.pages import templates
from tutela.device.conversation import Advice, AgeGroup, Focus, Limits, Pause, Settings, trusted_message
from tutela.language import N_, Words, words
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.stages import stages

#: What levels can speak to: only a warning speaks to something of its own.
STATES: Final = tuple(
    (level, focus)
    for level in (Level.NUDGE, Level.WARNING)
    for focus in Focus
    if level is Level.WARNING or focus is Focus.GENERAL
)
_LIMITS: Final = Limits()
_CHARACTERS: Final = 4000


def render(language: str) -> str:
    """Return the page in one language, `en` or `fr`."""
    tongue = words(language)
    reasons = tuple(stage.reason for stage in stages() if stage.by == "other")
    return (
        templates()
        .get_template("design.html")
        .render(
            t=tongue.text,
            language=tongue.language,
            style=_style(),
            groups=[(tongue.text(name), _cards(group, reasons, tongue)) for group, name in GROUPS.items()],
            reasons=[(tongue.text(stage.name), tongue.text(stage.reason)) for stage in stages()],
            pauses=[
                pause_view(Paused(f"p{number}", tongue.text(N_("Come on, answer me")), Pause(threat, many)), tongue)
                for number, (threat, many) in enumerate(((False, False), (False, True), (True, False), (True, True)))
            ],
            settings_of=[
                (tongue.text(name), settings_view(Settings(group), _LIMITS, tongue))
                if group is not AgeGroup.ADULT
                else (tongue.text(name), settings_view(Settings(group), Limits(may_switch_off=True), tongue))
                for group, name in GROUPS.items()
            ],
            chats=[Chat("c1", "", "Nora"), Chat("c2", "", "Sam, Ida")],
            draft_text=trusted_message(tongue),
            told=tongue.text(SENT_TO, name="Nora"),
            characters=_CHARACTERS,
        )
    )


def _cards(group: AgeGroup, reasons: tuple[str, ...], tongue: Words) -> dict[str, object]:
    tip = Advice(Level.TIP, Focus.GENERAL, group, (), (), ())
    cards = []
    for number, (level, focus) in enumerate(STATES):
        spoken_to = tuple(stage.reason for stage in stages() if stage.id == focus.value)
        told = (*spoken_to, *(one for one in reasons[3 * number :] if one not in spoken_to))[:3]
        advice = Advice(level, focus, group, (), told, ())
        cards.append(card_view(advice, f"{group.value}-{number}", tongue, reporting=True))
    return {"tip": (tip.title(tongue), tip.text(tongue)), "cards": cards}


def _style() -> str:
    """Return the page's style; the font is left to the system."""
    text = resources.files("tutela.chat").joinpath("static/chat.css").read_text()
    return text[: text.index("@font-face")] + text[text.index("}", text.index("@font-face")) + 1 :]
