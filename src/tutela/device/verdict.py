"""What Guard tells the client about one picture, with words for its user.

The words accuse nobody and promise only what is so. They are the same for a child and an adult.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from tutela.language import N_, Words
from tutela.wire.manifest import Action
from tutela.wire.submission import ListClass


class Outcome(enum.StrEnum):
    """What the check found. *Unchecked* is neither listed nor allowed: the policy decides."""

    ALLOW = "allow"
    WARN = "warn"
    STOP = "stop"
    UNCHECKED = "unchecked"


class Direction(enum.StrEnum):
    """Whether the picture is about to be sent or was received."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


class Reason(enum.StrEnum):
    """Why the outcome is what it is."""

    NOT_LISTED = "not-listed"
    LISTED = "listed"
    UNREADABLE = "unreadable"
    """The picture cannot be decoded within the limits."""
    UNREACHABLE = "unreachable"
    """The provider did not answer in time."""
    REFUSED = "refused"
    """The provider would not check, for example after too many checks."""
    UNTRUSTED = "untrusted"
    """The provider's answer did not verify."""
    NO_LIST = "no-list"
    """No epoch has been accepted on this device yet."""
    INTERNAL = "internal"
    """An error on this device."""


@dataclass(frozen=True)
class Verdict:
    """The result of one check.

    `outcome` is what was found; `action` is what the client must do. They differ only when the outcome is
    *unchecked*: then `action` is what the last verified policy says.
    """

    outcome: Outcome
    action: Action
    direction: Direction
    reason: Reason
    list_class: ListClass | None = None
    """The class in which the picture is listed; a weaker class is told to the user as what it is."""
    epoch: int | None = None
    """The epoch that was checked against."""
    detail: str = ""
    """For developers and logs on this device: what went wrong. Never contains content."""

    def facts(self, words: Words) -> dict[str, object]:
        """Return everything about the verdict, and its words, as JSON tells it."""
        return {
            "outcome": self.outcome.value,
            "action": self.action.value,
            "direction": self.direction.value,
            "reason": self.reason.value,
            "list_class": self.list_class.value if self.list_class else None,
            "epoch": self.epoch,
            "title": self.title(words),
            "text": self.text(words),
            "detail": self.detail,
        }

    def title(self, words: Words) -> str:
        """Return a short heading for the user; empty when the picture simply passes."""
        return words.text(_title(self)) if self.action is not Action.ALLOW else ""

    def text(self, words: Words) -> str:
        """Return what to tell the user; empty when the picture simply passes."""
        if self.action is Action.ALLOW:
            return ""
        return " ".join(words.text(sentence) for sentence in _sentences(self))


def _title(verdict: Verdict) -> str:
    stopped = verdict.action is Action.STOP
    if verdict.direction is Direction.OUTGOING:
        if stopped:
            return N_("This picture was not sent")
        return N_("Do you want to send this picture?")
    return N_("This picture is hidden") if stopped else N_("Do you want to see this picture?")


def _sentences(verdict: Verdict) -> list[str]:
    return [_why(verdict), *_comfort(verdict)]


def _why(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.UNCHECKED:
        if verdict.reason is Reason.UNREADABLE:
            return N_("We could not open this picture, so it could not be checked.")
        return N_("This picture could not be checked just now.")
    if verdict.list_class is ListClass.ATTESTED:
        return N_("It looks like a picture that one child-protection organisation asks services not to pass on.")
    return N_("It looks like a picture that child-protection organisations ask services not to pass on.")


def _comfort(verdict: Verdict) -> list[str]:
    if verdict.direction is Direction.OUTGOING:
        if verdict.outcome is Outcome.UNCHECKED:
            if verdict.reason is Reason.UNREADABLE:  # trying again would not help
                return [N_("It is still on your device. If you have another copy of it, try that one.")]
            return [N_("It is still on your device. You can try again in a moment.")]
        return [
            N_("It stayed on your device, and nobody was told."),
            N_("If somebody asked you for it, or you feel uneasy, you are not alone: talk to someone you trust."),
        ]
    if verdict.outcome is Outcome.UNCHECKED:
        return [N_("You do not have to look at it.")]
    return [
        N_("You did nothing wrong, and you do not have to look at it."),
        N_("If it upsets you, talk to someone you trust."),
    ]
