"""From what happened in a room to what the page shows. Pure.

The rule for pictures: the verdict's action decides. *Allow* is shown. *Warn* stays behind a cover until the user asks
to see it, and may be covered again. *Stop* stays covered, and there is no way to see it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from itertools import groupby
from typing import Literal

from tutela.chat.calendar import day_name
from tutela.device.verdict import Outcome
from tutela.integrations.matrix.timeline import (
    ConversationAdvice,
    Message,
    Notice,
    NoticeKind,
    PictureMessage,
    ServiceMessage,
    TextMessage,
    TimelineEvent,
    UnreadableMessage,
)
from tutela.language import N_, Words
from tutela.wire.manifest import Action

#: What the user can accept at a notice, with the words of the button.
_ANSWERS = {
    NoticeKind.IDENTITY_CHANGED: N_("I asked, it is fine"),
    NoticeKind.SOMEBODY_JOINED: N_("I know why, it is fine"),
}
_ICONS = {
    NoticeKind.IDENTITY_CHANGED: "key",
    NoticeKind.OWN_IDENTITY_CHANGED: "key",
    NoticeKind.SOMEBODY_JOINED: "person",
    NoticeKind.ACCOUNT_LOCKED: "lock",
    NoticeKind.ACCOUNT_UNLOCKED: "check",
}

PictureState = Literal["shown", "asked", "covered", "gone"]

_TITLES = {
    NoticeKind.IDENTITY_CHANGED: N_("Is it still {name}?"),
    NoticeKind.OWN_IDENTITY_CHANGED: N_("Your security keys changed"),
    NoticeKind.DEVICES_LEFT_OUT: N_("A device that is not confirmed"),
    NoticeKind.SOMEBODY_JOINED: N_("Somebody new: {name}"),
    NoticeKind.MESSAGES_SKIPPED: N_("A gap in the messages"),
    NoticeKind.RECORD_LOST: N_("Old messages may come again"),
    NoticeKind.ACCOUNT_LOCKED: N_("Your account is locked"),
    NoticeKind.ACCOUNT_UNLOCKED: N_("Your account is open again"),
}


@dataclass(frozen=True)
class Entry:
    """One line of the conversation, as the template reads it."""

    id: str
    kind: Literal["text", "picture", "unreadable", "notice", "tip"]
    time: datetime
    clock: str
    mine: bool = False
    sender: str = ""
    title: str = ""
    text: str = ""
    doubt: str = ""
    """What is uncertain about the sender's device or the check; empty when all is well."""
    picture: PictureState = "gone"
    hideable: bool = False
    fingerprint: str = ""
    """A new key for two people to compare."""
    answer: str = ""
    """The words with which the user accepts what the notice tells; empty where there is nothing to accept."""
    icon: str = "info"
    reportable: bool = False


@dataclass(frozen=True)
class Day:
    """The entries of one day."""

    date: date
    name: str
    entries: list[Entry] = field(default_factory=list)


def entry_id(event_id: str) -> str:
    """Return a name for an event that fits into an address and an HTML id, and tells nothing."""
    return "e" + hashlib.sha256(event_id.encode()).hexdigest()[:20]


def short_name(user_id: str, *, seen_by: str) -> str:
    """Return `Mia` for `@mia:example.org`; for an account of another homeserver `Mia (other.example)`."""
    name, _, home = user_id.removeprefix("@").partition(":")
    name = name.capitalize()
    return name if home == seen_by.partition(":")[2] else f"{name} ({home})"


def picture_state(message: PictureMessage, *, opened: bool) -> PictureState:
    """Say how the page shows a picture; `opened` when the user asked to see it."""
    if message.verdict.action is Action.STOP:
        return "covered"
    if message.data is None:
        return "gone"
    return "shown" if message.own or opened or message.verdict.action is Action.ALLOW else "asked"


def acceptable(events: Iterable[TimelineEvent], *, accepted: Collection[str]) -> frozenset[str]:
    """Return the ids of the notices that ask the user to accept something: the newest of a kind and person, once."""
    newest = {
        (event.kind, event.sender): event.event_id
        for event in events
        if isinstance(event, Notice) and event.kind in _ANSWERS
    }
    return frozenset(newest.values()) - frozenset(accepted)


def show(
    events: Iterable[TimelineEvent],
    *,
    own: str,
    words: Words,
    zone: tzinfo | None,
    today: date,
    opened: Collection[str] = (),
    accepted: Collection[str] = (),
    reportable: Collection[str] = (),
) -> list[Day]:
    """Return `events` as days of entries, in their order.

    `own` is the reader's account, `zone` their time zone; `None` stands for this machine's. `opened` holds ids of
    events whose picture the user asked to see, `accepted` those of notices that were accepted, `reportable` those of
    messages of others that can be reported.
    """
    shown = [event for event in events if isinstance(event, Message | Notice | ServiceMessage | ConversationAdvice)]
    questions = acceptable(shown, accepted=accepted)
    entries = [
        _entry(
            event,
            own=own,
            words=words,
            zone=zone,
            opened=event.event_id in opened,
            acceptable=event.event_id in questions,
            reportable=event.event_id in reportable,
        )
        for event in shown
    ]
    return [
        Day(day, day_name(day, today=today, words=words), list(group))
        for day, group in groupby(entries, key=lambda entry: entry.time.date())
    ]


def _entry(
    event: Message | Notice | ServiceMessage | ConversationAdvice,
    *,
    own: str,
    words: Words,
    zone: tzinfo | None,
    opened: bool,
    acceptable: bool,
    reportable: bool,
) -> Entry:
    time = datetime.fromtimestamp(event.sent_at / 1000, UTC).astimezone(zone)
    sender = short_name(event.sender, seen_by=own)
    entry = Entry(id=entry_id(event.event_id), kind="text", time=time, clock=f"{time:%H:%M}", sender=sender)
    if isinstance(event, Notice):
        return replace(
            entry,
            kind="notice",
            icon=_ICONS.get(event.kind, "info"),
            title=words.text(_TITLES[event.kind], name=sender),
            text=event.text(words),
            fingerprint=event.fingerprint,
            answer=words.text(_ANSWERS[event.kind]) if acceptable else "",
        )
    if isinstance(event, ServiceMessage):
        return replace(entry, kind="notice", icon="letter", title=words.text(N_("From the service")), text=event.text)
    if isinstance(event, ConversationAdvice):
        return replace(entry, kind="tip", title=event.advice.title(words), text=event.advice.text(words))
    entry = replace(entry, mine=event.own, doubt=event.caution(words), reportable=reportable and not event.own)
    if isinstance(event, TextMessage):
        return replace(entry, text=event.text)
    if isinstance(event, UnreadableMessage):
        return replace(entry, kind="unreadable", text=event.text(words))
    if isinstance(event, PictureMessage):
        return _picture(entry, event, words=words, opened=opened)
    raise TypeError(f"the page cannot show {type(event).__name__}")


def _picture(entry: Entry, message: PictureMessage, *, words: Words, opened: bool) -> Entry:
    state = picture_state(message, opened=opened)
    verdict = message.verdict
    doubt = entry.doubt
    if state == "shown" and not message.own and verdict.outcome is Outcome.UNCHECKED:
        doubt = " ".join(filter(None, (doubt, words.text(N_("This picture could not be checked.")))))
    return replace(
        entry,
        kind="picture",
        doubt=doubt,
        title=verdict.title(words),
        text=verdict.text(words),
        picture=state,
        hideable=state == "shown" and not message.own and verdict.action is Action.WARN,
    )
