"""What the pages about reports show, in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Final, Literal

from tutela.chat.calendar import day_name
from tutela.chat.client import ChatClient
from tutela.chat.conversation import entry_id, picture_state, short_name
from tutela.chat.reading_time import when_read
from tutela.chat.reporting import Offer
from tutela.device.reports import OwnReport
from tutela.integrations.matrix.franking import Franking
from tutela.integrations.matrix.timeline import Message, PictureMessage, TextMessage, UnreadableMessage
from tutela.language import N_, Words
from tutela.wire.report import ReadingTime, ReadingTimes, ReportOutcome, ReportReason, ReportState


@dataclass(frozen=True)
class Reason:
    """A reason to report, as its button shows it."""

    id: ReportReason
    icon: str
    title: str
    text: str


#: In the order in which they are shown, each with its drawing, and the words of its button.
_REASONS: Final = (
    (
        ReportReason.ASKED_FOR_PICTURES,
        "picture",
        N_("Somebody asked me for pictures"),
        N_("Or videos that I do not want to send."),
    ),
    (
        ReportReason.THREATENED,
        "warning",
        N_("Somebody threatens to share my picture"),
        N_("Or to hurt me, or wants money from me."),
    ),
    (
        ReportReason.WANTS_TO_MEET,
        "place",
        N_("Somebody wants to meet me"),
        N_("And it does not feel right."),
    ),
    (
        ReportReason.SAW_ABUSE,
        "eye",
        N_("I saw abuse"),
        N_("A message or a picture in which a child is hurt."),
    ),
    (
        ReportReason.WORRIED_ABOUT_A_FRIEND,
        "friends",
        N_("I am worried about a friend"),
        N_("Somebody may be hurting them, or they are not well."),
    ),
    (
        ReportReason.SOMETHING_ELSE,
        "talk",
        N_("Something else"),
        N_("Anything that feels wrong."),
    ),
)


@dataclass(frozen=True)
class OfferedMessage:
    """A message that may go along, with its tick."""

    id: str
    sender: str
    clock: str
    text: str
    chosen: bool
    ticked: bool
    note: str
    """What ticking it means, or how it counts; mostly empty."""
    thumbnail: bool
    """Whether its picture is shown small: only where the conversation shows it, too."""


@dataclass(frozen=True)
class Sentences:
    """When a report would be read, if somebody is in danger now and if not; empty where nobody knows."""

    calm: str = ""
    danger: str = ""
    nobody: bool = False
    """Whether nobody reads it for some time."""
    never: bool = False
    """Whether there is nobody who reads reports at all."""


@dataclass(frozen=True)
class ReportCard:
    """One report on the page of all that were made."""

    id: str
    title: str
    about: str
    day: str
    icon: str
    state: Literal["waiting", "received", "in-review", "decided"]
    heading: str
    text: str
    answer: str
    reference: str
    asked: bool
    """Whether those who read it want to know more."""
    never: bool
    """Whether it waits for a reader, and nobody reads reports at all."""
    additions: str


def reasons(words: Words) -> list[Reason]:
    """Return all reasons, in order."""
    return [Reason(id, icon, words.text(title), words.text(text)) for id, icon, title, text in _REASONS]


def reason_title(reason: ReportReason, words: Words) -> str:
    """Return what the reason's button says."""
    return next(words.text(title) for id, _, title, _ in _REASONS if id is reason)


def offered(
    offers: Sequence[Offer], *, opened: set[str], own: str, words: Words, zone: tzinfo | None
) -> list[OfferedMessage]:
    """Return the messages of the list; `opened` as in `conversation.show`."""
    return [
        OfferedMessage(
            id=entry_id(offer.message.event_id),
            sender=words.text(N_("You")) if offer.message.own else short_name(offer.message.sender, seen_by=own),
            clock=f"{_time(offer.message.sent_at, zone):%H:%M}",
            text=_text(offer.message, words),
            chosen=offer.chosen,
            ticked=offer.ticked,
            note=_note(offer.message, words),
            thumbnail=_shown(offer.message, opened),
        )
        for offer in offers
    ]


def sentences(
    times: ReadingTimes | None, reason: ReportReason, *, now: datetime, zone: tzinfo | None, words: Words
) -> Sentences:
    """Return when a report of this reason would be read."""
    if times is None:
        return Sentences()
    calm = times.reasons.get(reason, times.danger_now)
    return Sentences(
        calm=when_read(calm, now=now, zone=zone, words=words),
        danger=when_read(times.danger_now, now=now, zone=zone, words=words),
        nobody=calm.nobody_for != 0,
        never=times.nobody_reads,
    )


def reading_time(own: OwnReport, times: ReadingTimes | None, *, now: datetime) -> ReadingTime:
    """Return when a report that was sent is read: by its receipt, and at night by what is told now.

    Where the provider has nobody who reads, what is told now counts alone: nothing was promised, or nobody can keep it.
    """
    told = None
    if times is not None and own.reason is not None:
        told = times.danger_now if own.danger_now else times.reasons.get(own.reason)
    promised = own.receipt.read_within_minutes if own.receipt is not None else 0
    if promised is None or (times is not None and times.nobody_reads):
        return told or ReadingTime(nobody_for=None, within=None)
    left = max(0, own.made // 60_000 + promised - int(now.timestamp()) // 60) if own.receipt is not None else 0
    # Never before somebody is there, whatever is left of the time that was promised.
    return ReadingTime(nobody_for=told.nobody_for if told and left else 0, within=left)


def card(
    own: OwnReport,
    *,
    client: ChatClient,
    times: ReadingTimes | None,
    now: datetime,
    zone: tzinfo | None,
    words: Words,
) -> ReportCard:
    """Return what is shown of one report."""
    state, icon, heading, text = _progress(own)
    shown, never = words.text(text), False
    nobody = times is not None and times.nobody_reads
    if state == "received" and (own.receipt is not None or nobody):
        time = reading_time(own, times, now=now)
        shown, never = when_read(time, now=now, zone=zone, words=words), time.within is None
    status = own.status
    count = (status.additions if status else 0) + (own.waiting if own.arrived else 0)
    return ReportCard(
        id=own.id,
        title=reason_title(own.reason, words) if own.reason else words.text(N_("A report from another device")),
        about=words.text(N_("About {name}"), name=short_name(own.about, seen_by=client.user_id)) if own.about else "",
        day=_day(own.made, now=now, zone=zone, words=words),
        icon=icon,
        state=state,
        heading=words.text(heading),
        text=shown,
        answer=status.message if status else "",
        reference=own.reference,
        asked=status is not None and status.outcome is ReportOutcome.MORE_NEEDED,
        never=never,
        additions=words.text(N_("What you added: {number}"), number=count) if count else "",
    )


_Progress = tuple[Literal["waiting", "received", "in-review", "decided"], str, str, str]

_OUTCOMES: Final[dict[ReportOutcome | None, _Progress]] = {
    None: ("decided", "check", N_("It has been read"), N_("Thank you for telling us.")),
    ReportOutcome.ACTED: (
        "decided",
        "check",
        N_("We did something about it"),
        N_("What exactly stays between us and the other person. Thank you for telling us: it helps others, too."),
    ),
    ReportOutcome.PASSED_ON: (
        "decided",
        "check",
        N_("People who protect children have it now"),
        N_("It is their work, and they take it from here. Thank you for telling us."),
    ),
    ReportOutcome.NOT_AGAINST_RULES: (
        "decided",
        "check",
        N_("We read it carefully"),
        N_(
            "It is not against the rules of this service. It was right to tell us. "
            "If something happens again, or it still feels wrong, tell us more or talk to someone you trust."
        ),
    ),
    ReportOutcome.MORE_NEEDED: (
        "decided",
        "talk",
        N_("We would like to know a little more"),
        N_("Write it below, if you like. You decide how much you tell."),
    ),
}


def _progress(own: OwnReport) -> _Progress:
    if not own.arrived:
        text = N_("It goes out as soon as there is a connection. You do not have to do anything.")
        if not own.kept:
            text = N_("This device has no room left. Leave Tutela open until your report has gone out.")
        return "waiting", "clock", N_("It waits on this device"), text
    if own.status is None or own.status.state is ReportState.RECEIVED:
        return "received", "send", N_("It has arrived"), N_("Somebody reads this soon.")
    if own.status.state is ReportState.IN_REVIEW:
        return "in-review", "eye", N_("Somebody is looking at it"), N_("The answer will be here.")
    return _OUTCOMES[own.status.outcome]


def _text(message: Message, words: Words) -> str:
    if isinstance(message, TextMessage):
        return message.text
    if isinstance(message, UnreadableMessage):
        return message.text(words)
    return words.text(N_("A picture"))


def _note(message: Message, words: Words) -> str:
    notes = []
    if not isinstance(message, TextMessage):
        notes.append(N_("If you tick it, the people who help will see this picture."))
    if message.franking is not Franking.COMMITTED and not message.own:
        notes.append(N_("Sent with another app: it counts as what you tell us."))
    return " ".join(words.text(note) for note in notes)


def _shown(message: Message, opened: set[str]) -> bool:
    if not isinstance(message, PictureMessage):
        return False
    return picture_state(message, opened=message.event_id in opened) == "shown"


def _day(milliseconds: int, *, now: datetime, zone: tzinfo | None, words: Words) -> str:
    time = _time(milliseconds, zone)
    today: date = now.astimezone(zone).date()
    return f"{day_name(time.date(), today=today, words=words)}, {time:%H:%M}"


def _time(milliseconds: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(zone)


@dataclass(frozen=True)
class ConfirmPage:
    """All that the last page before sending reads."""

    id: str
    reason: Reason
    entry: str
    other: str
    near: list[OfferedMessage]
    more: list[OfferedMessage]
    sentences: Sentences
    danger_now: bool = False
    text: str = ""
    failure: str = ""
    characters: int = field(default=4000)


@dataclass(frozen=True)
class SentPage:
    """All that the page after sending reads."""

    other: str
    card: ReportCard
    sentence: str
    nobody: bool
    danger_now: bool
