"""What the person concerned is told: the statement of reasons of Article 17, Regulation (EU) 2022/2065. Pure.

It says what was decided, where and for how long, that it followed a report, on which facts and by which rule, that no
machine found or decided it, and how to appeal. It never says who reported, nor quotes what they wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tutela.language import LANGUAGES, N_, Words, words
from tutela.provider.review.policy import ActionKind, Policy
from tutela.provider.review.records import DecisionRow

_DONE: Final = {
    ActionKind.WARN: N_("This is a warning. Nothing about your account has changed."),
    ActionKind.QUARANTINE_MEDIUM: N_("A file that you sent cannot be opened any more, by anybody on this service."),
    ActionKind.LOCK: N_(
        "Your account is being locked: you cannot use it until a further decision. Nothing in it is lost."
    ),
    ActionKind.SUSPEND: N_(
        "Your account is being suspended: until a further decision you can read and leave, not write."
    ),
    ActionKind.BAN: N_("Your account is being closed for good."),
}
_UNTIL: Final = N_("This ends by itself within {hours} hours, unless a second person confirms it.")
_TITLE: Final = N_("A decision about your account")
_RULE: Final = N_("The rule of this service that it applies: {title}. {text}")
_FACTS: Final = N_(
    "It followed a report. What it rests on: messages that were sent from your account and that the service could "
    "verify."
)
_FACTS_TOLD: Final = N_("It followed a report. What it rests on: what was reported to the service.")
_REASONS: Final = N_("The reasons: {reasons}")
_PEOPLE: Final = N_("It was decided by people. No machine found or decided anything.")
_APPEAL: Final = N_(
    "If you think that this is wrong, you can appeal, free of charge. Somebody who took no part in the decision will "
    "look at it: {address}"
)
_COURT: Final = N_(
    "You can also turn to a certified body for out-of-court dispute settlement, or to a court. The decision is number "
    "{decision}."
)
_CORRECTED: Final = N_("Decision {decision} about your account has been taken back. What it changed is as before.")
_CORRECTED_IN_PART: Final = N_(
    "Decision {decision} about your account has been taken back. Another decision about it is still in force, so not "
    "everything is as before."
)
_STANDS: Final = N_(
    "Your appeal against decision {decision} has been looked at by somebody who took no part in it. It stands: "
    "{reasons}"
)
_CONFIRMED: Final = N_(
    "A second person has confirmed decision {decision} about your account: it does not end by itself any more. You can "
    "appeal against it as before, at the address that came with it."
)
_BETWEEN: Final = "\n\n· · ·\n\n"


@dataclass(frozen=True)
class Facts:
    """What a statement is made from."""

    decision: DecisionRow
    proven: bool
    """Whether verified messages are among what it rests on."""
    appeal: str
    """Where to appeal."""


def statement(facts: Facts, policy: Policy, languages: Sequence[str] = LANGUAGES) -> str:
    """Return the statement, in each of `languages`: nobody knows which one the person reads."""
    return _BETWEEN.join(_statement(facts, policy, words(language)) for language in languages)


def taken_back(decision: str, *, in_part: bool, languages: Sequence[str] = LANGUAGES) -> str:
    """Return what is said when a decision was taken back; `in_part`: another one still asks for some of it."""
    return _said(_CORRECTED_IN_PART if in_part else _CORRECTED, languages, decision=decision)


def confirmed(decision: str, languages: Sequence[str] = LANGUAGES) -> str:
    """Return what is said when a decision that was to end by itself was confirmed."""
    return _said(_CONFIRMED, languages, decision=decision)


def stands(decision: str, reasons: str, languages: Sequence[str] = LANGUAGES) -> str:
    """Return what is said when a decision stands after an appeal."""
    return _said(_STANDS, languages, decision=decision, reasons=reasons)


def _said(text: str, languages: Sequence[str], **values: str) -> str:
    return _BETWEEN.join(words(language).text(text, **values) for language in languages)


def _statement(facts: Facts, policy: Policy, tongue: Words) -> str:
    decision = facts.decision
    rule = policy.rule(decision.rule)
    lines = [tongue.text(_TITLE), *(tongue.text(_DONE[action]) for action in decision.actions if action in _DONE)]
    if decision.lapses is not None:
        lines.append(tongue.text(_UNTIL, hours=policy.urgent.hours))
    if rule is not None:  # else a later policy has dropped it; its name is in the log
        title, text = (texts.get(tongue.language, texts["en"]) for texts in (rule.title, rule.text))
        lines.append(tongue.text(_RULE, title=title, text=text))
    lines += [
        tongue.text(_FACTS if facts.proven else _FACTS_TOLD),
        tongue.text(_REASONS, reasons=decision.reasons),
        tongue.text(_PEOPLE),
        tongue.text(_APPEAL, address=facts.appeal),
        tongue.text(_COURT, decision=decision.id),
    ]
    return "\n\n".join(lines)
