"""Reporting from a window: which messages are offered, which are ticked from the start, and what is sent.

A picture, or any other file, goes along only if it was ticked, and so does the message that brought it, because that
message holds the file's key.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from tutela.chat.client import ChatClient, Reporting
from tutela.chat.conversation import entry_id
from tutela.chat.window import Window
from tutela.device.reports import OwnReport
from tutela.errors import TutelaError
from tutela.integrations.matrix.timeline import Message, PictureMessage, TextMessage
from tutela.wire.report import MessageEvidence, ReportReason

log = logging.getLogger("tutela.chat")

#: Messages before and after the reported one that are ticked from the start, and that are offered beyond those.
NEAR: Final = 3
MORE: Final = 7


@dataclass(frozen=True)
class Offer:
    """A message that can go along."""

    message: Message
    chosen: bool
    """Whether it is the one at which the user began to report."""
    near: bool
    """Whether it is shown from the start; others are shown when asked for."""
    ticked: bool


@dataclass(frozen=True)
class Filled:
    """What a user filled in, as the page sent it."""

    id: str
    """Of the report: the page chose it, so that pressing twice sends once."""
    reason: ReportReason
    entry: str
    """The message at which the user began, as the page calls it, or nothing."""
    ticked: Collection[str]
    """Messages, as the page calls them."""
    danger_now: bool
    text: str


def reportable(client: ChatClient, message: object) -> bool:
    """Whether a message can be reported."""
    return isinstance(message, Message) and client.reports is not None and client.evidence(message) is not None


def offers(
    window: Window, entry: str, *, ticked: Collection[str] | None = None, evidence: Collection[str] = ()
) -> list[Offer]:
    """Return the messages around the reported one, or the newest ones, in their order.

    `ticked` are those that the user has chosen already, `evidence` those that a card of the conversation guard was
    about, wherever they are; both as the page calls them.
    """
    messages = [e for e in window.events if isinstance(e, Message) and reportable(window.client, e)]
    names = [entry_id(message.event_id) for message in messages]
    chosen = names.index(entry) if entry in names else None
    middle = len(names) - 1 - NEAR if chosen is None else chosen
    return [
        Offer(
            message,
            chosen=number == chosen,
            near=abs(number - middle) <= NEAR or name in evidence or (ticked is not None and name in ticked),
            ticked=name in evidence or _from_the_start(message, abs(number - middle))
            if ticked is None
            else name in ticked,
        )
        for number, (name, message) in enumerate(zip(names, messages, strict=True))
        if abs(number - middle) <= NEAR + MORE or name in evidence or name in (ticked or ())
    ]


def about(window: Window, entry: str) -> str | None:
    """Return who is reported: who sent the message, or else the only other person who wrote here."""
    message = window.find(entry) if entry else None
    if isinstance(message, Message) and not message.own:
        return message.sender
    others = {event.sender for event in window.events if isinstance(event, Message) and not event.own}
    return others.pop() if len(others) == 1 else None


def newest(window: Window, entries: Collection[str]) -> str:
    """Return the newest of `entries` that is still there, or nothing."""
    return next((name for event in reversed(window.events) if (name := entry_id(event.event_id)) in entries), "")


async def send(window: Window, reports: Reporting, filled: Filled, *, language: str) -> OwnReport:
    """Report what was ticked. A file that cannot be fetched is left out, its message is not.

    Raises:
        ReportTooLarge: this is too much for one report.
    """
    evidence, files = list[MessageEvidence](), dict[str, bytes]()
    for message in _chosen(window, filled.ticked):
        found = window.client.evidence(message)
        if found is None:
            continue
        evidence.append(found)
        if not isinstance(message, TextMessage) and (data := await _file(window, message, found)):
            files[found.event_id] = data
    return await reports.send(
        filled.reason,
        messages=evidence,
        files=files,
        about=about(window, filled.entry),
        danger_now=filled.danger_now,
        text=filled.text.strip(),
        language=language,
        report_id=filled.id,
    )


def _chosen(window: Window, ticked: Collection[str]) -> Sequence[Message]:
    return [event for event in window.events if isinstance(event, Message) and entry_id(event.event_id) in ticked]


async def _file(window: Window, message: Message, evidence: MessageEvidence) -> bytes | None:
    if isinstance(message, PictureMessage) and message.data is not None:
        return message.data
    try:
        return await window.client.attachment(evidence)
    except (TutelaError, OSError) as error:
        log.warning("a reported file could not be fetched: %s", error)
        return None


def _from_the_start(message: Message, distance: int) -> bool:
    return distance <= NEAR and isinstance(message, TextMessage)
