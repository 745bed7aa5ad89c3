"""What the guard tells its user, in words for their age. About what was written, never about who wrote it; no score.

Nothing of this is shown to a parent, the provider or the other person. What the user does about it is theirs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from tutela.device.conversation.settings import AgeGroup
from tutela.language import N_, Words
from tutela.signals.conversation.conversation import Assessment
from tutela.signals.conversation.decision import Level

#: At most so many reasons are told: more would frighten.
_REASONS: Final = 3
#: Said after the reasons where this chat does not show all of them.
_ELSEWHERE: Final = N_("Some of it was in another chat with the same person.")


class Choice(enum.StrEnum):
    """What the user can do."""

    FINE = "fine"
    TELL = "tell"
    BLOCK = "block"
    LEAVE = "leave"
    REPORT = "report"
    HELP = "help"


#: What each level offers, in the order in which it is shown.
CHOICES: Final = {
    Level.TIP: (Choice.FINE, Choice.HELP),
    Level.NUDGE: (Choice.TELL, Choice.BLOCK, Choice.LEAVE, Choice.REPORT, Choice.HELP, Choice.FINE),
    Level.WARNING: (Choice.HELP, Choice.TELL, Choice.BLOCK, Choice.REPORT, Choice.LEAVE, Choice.FINE),
}

_CHOICE_WORDS: Final = {
    Choice.FINE: N_("It is fine"),
    Choice.TELL: N_("Tell somebody I trust"),
    Choice.BLOCK: N_("Block"),
    Choice.LEAVE: N_("Leave this chat"),
    Choice.REPORT: N_("Report"),
    Choice.HELP: N_("Show me help"),
}


class Focus(enum.StrEnum):
    """What the words must speak to."""

    GENERAL = "general"
    THREAT = "threat"
    SELF_HARM = "self-harm"


@dataclass(frozen=True)
class Advice:
    """What is shown, once. `evidence` are ids of messages, for the user's own report and never sent by themselves."""

    level: Level
    focus: Focus
    group: AgeGroup
    stages: tuple[str, ...]
    reasons: tuple[str, ...]
    """English sentences; translated when shown."""
    evidence: tuple[str, ...]

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Return what the user can do, in order."""
        return CHOICES[self.level]

    def title(self, words: Words) -> str:
        """Return the heading."""
        return words.text(_TITLES[self.level, self.focus])

    def text(self, words: Words) -> str:
        """Return what is said below the heading and the reasons."""
        return " ".join(words.text(sentence) for sentence in _sentences(self))

    def told_reasons(self, words: Words) -> list[str]:
        """Return the reasons as sentences."""
        return [words.text(reason) for reason in self.reasons]

    def facts(self, words: Words) -> dict[str, object]:
        """Return everything that is shown, as JSON tells it."""
        return {
            "level": self.level.word,
            "focus": self.focus.value,
            "title": self.title(words),
            "text": self.text(words),
            "reasons": self.told_reasons(words),
            "choices": [{"id": choice.value, "label": choice_label(choice, words)} for choice in self.choices],
            "evidence": list(self.evidence),
        }


def choice_label(choice: Choice, words: Words) -> str:
    """Return the words on the button of a choice."""
    return words.text(_CHOICE_WORDS[choice])


def advise(assessment: Assessment, group: AgeGroup, *, elsewhere: bool = False) -> Advice:
    """Return the advice for an assessment of level `TIP` or higher.

    `elsewhere`: what the person showed in other chats counts, too.
    """
    seen = assessment.reasons
    grave = {reason.stage.id for reason in seen}
    focus = Focus.GENERAL
    if assessment.level is Level.WARNING and "self-harm" in grave:
        focus = Focus.SELF_HARM
    elif assessment.level is Level.WARNING and "threat" in grave:
        focus = Focus.THREAT
    first = [r for r in seen if r.stage.id == focus.value]
    told = [*first, *(r for r in seen if r not in first)][:_REASONS]
    note = (_ELSEWHERE,) if elsewhere and not all(reason.evidence for reason in told) else ()
    return Advice(
        assessment.level,
        focus,
        group,
        tuple(reason.stage.id for reason in told),
        (*(reason.stage.reason for reason in told), *note),
        tuple(dict.fromkeys(one for reason in seen for one in reason.evidence)),
    )


_TITLES: Final = {
    (Level.TIP, Focus.GENERAL): N_("A small tip"),
    (Level.NUDGE, Focus.GENERAL): N_("Take a moment"),
    (Level.WARNING, Focus.GENERAL): N_("You can stop here"),
    (Level.WARNING, Focus.THREAT): N_("You are not alone with this"),
    (Level.WARNING, Focus.SELF_HARM): N_("Nobody may ask you to hurt yourself"),
}


def _sentences(advice: Advice) -> tuple[str, ...]:
    """Return the words for the age group; adults read those for teenagers where they have none of their own."""
    own = _TEXTS.get((advice.level, advice.focus, advice.group))
    return own or _TEXTS[advice.level, advice.focus, AgeGroup.TEEN]


_TEXTS: Final = {
    (Level.TIP, Focus.GENERAL, AgeGroup.CHILD): (
        N_("You decide what you tell about yourself."),
        N_("Your name, your school and where you live are yours to keep."),
    ),
    (Level.TIP, Focus.GENERAL, AgeGroup.TEEN): (N_("You decide what you share, and with whom."),),
    (Level.TIP, Focus.GENERAL, AgeGroup.ADULT): (N_("You decide what you share, and with whom."),),
    (Level.NUDGE, Focus.GENERAL, AgeGroup.CHILD): (
        N_("Maybe it is nothing. But a grown-up whom you like can look at it with you."),
        N_("You do not have to answer, and you are not in trouble."),
    ),
    (Level.NUDGE, Focus.GENERAL, AgeGroup.TEEN): (
        N_("Maybe it is nothing. People who want to harm somebody often begin like this, so it is good to be slow."),
        N_("You do not have to answer, and you can say no at any time."),
    ),
    (Level.WARNING, Focus.GENERAL, AgeGroup.CHILD): (
        N_("Stop for now. You did nothing wrong."),
        N_("Tell a grown-up whom you like, or call a helpline: they are kind, and it costs nothing."),
    ),
    (Level.WARNING, Focus.GENERAL, AgeGroup.TEEN): (
        N_("You did nothing wrong, whatever you wrote or sent so far."),
        N_("You can stop answering now. Somebody you trust or a helpline can think with you about what to do."),
    ),
    (Level.WARNING, Focus.GENERAL, AgeGroup.ADULT): (
        N_("You can stop answering now. Somebody you trust or a helpline can think with you about what to do."),
    ),
    (Level.WARNING, Focus.THREAT, AgeGroup.CHILD): (
        N_("It is not your fault. Do not send anything more, and do not pay."),
        N_("Show it to a grown-up whom you like, or call a helpline now. They help children with this every day."),
    ),
    (Level.WARNING, Focus.THREAT, AgeGroup.TEEN): (
        N_("It is not your fault, and it can be stopped."),
        N_("Do not pay and do not send anything more: it would not end it."),
        N_("Keep the messages, stop answering, and tell somebody you trust or a helpline."),
    ),
    (Level.WARNING, Focus.SELF_HARM, AgeGroup.CHILD): (
        N_("A friend would never ask that. You do not have to do it."),
        N_("Go to a grown-up whom you like now, or call a helpline: they are there for you."),
    ),
    (Level.WARNING, Focus.SELF_HARM, AgeGroup.TEEN): (
        N_("A friend would never ask that. You owe them nothing, and you can leave."),
        N_("If you feel like hurting yourself, call a helpline or the emergency number now: they are there for you."),
    ),
}


def trusted_message(words: Words) -> str:
    """Return a draft to somebody the user trusts. The user sees it, changes it, and sends it or not."""
    return words.text(N_("Can I talk to you? Somebody is writing to me in a way that makes me feel uneasy."))
