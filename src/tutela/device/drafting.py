"""From what somebody chose to report to the report that goes to the provider. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from tutela.device.errors import ReportTooLarge, ReportUnusable
from tutela.wire import limits
from tutela.wire.document import encode
from tutela.wire.errors import BadOpening, MalformedMessage, OversizedMessage
from tutela.wire.franking import check_opening
from tutela.wire.report import Addition, Attachment, MessageEvidence, Report, ReportReason, padded, read_report

_FEWER: Final = "Choose fewer messages, or make two reports."


def draft(
    report_id: str,
    reason: ReportReason,
    *,
    messages: Iterable[MessageEvidence] = (),
    files: Mapping[str, bytes],
    about: str | None = None,
    danger_now: bool = False,
    text: str = "",
    language: str = "en",
    region: str | None = None,
) -> Report:
    """Return the report of these messages, in the order in which they were sent, each once.

    `files` are decrypted files by the ids of the messages that brought them. A message whose proof does not hold is
    reported without it, as its receiver's word.

    Raises:
        ReportTooLarge: more messages, files or words than one report holds.
        ReportUnusable: a file of a message that is not reported; a language, a region or text of another form.
    """
    chosen = {message.event_id: believable(message) for message in messages}
    evidence = tuple(sorted(chosen.values(), key=lambda message: (message.sent_at, message.event_id)))
    attachments = {
        name: Attachment(event_id=message.event_id, sha256=name, size=len(files[message.event_id]))
        # In reverse, so that of two messages with one file the first keeps it.
        for message in reversed(evidence)
        if files.get(message.event_id) and (name := digest(files[message.event_id]))
    }
    if unknown := files.keys() - chosen.keys():
        raise ReportUnusable(f"a file belongs to a message that is not reported: {min(unknown)!r:.80}")
    _bounded(evidence, attachments.values(), text)
    report = Report(
        version=1,
        id=report_id,
        reason=reason,
        danger_now=danger_now,
        about=about,
        text=text,
        language=language,
        region=region,
        evidence=evidence,
        attachments=tuple(reversed(attachments.values())),
    )
    try:
        return read_report(padded(report))
    except OversizedMessage as error:
        raise ReportTooLarge("these messages are too long for one report", hint=_FEWER) from error
    except (MalformedMessage, UnicodeEncodeError) as error:
        raise ReportUnusable(f"the report cannot be made: {error}") from error


def addition(addition_id: str, text: str, *, danger_now: bool = False) -> Addition:
    """Return what somebody adds to a report.

    Raises:
        ReportTooLarge: longer than one addition holds.
        ReportUnusable: no text, or text that cannot be sent.
    """
    if len(text) > limits.REPORT_TEXT:
        raise ReportTooLarge(f"this has more than {limits.REPORT_TEXT} characters", hint="Send it in parts.")
    try:
        added = msgspec.convert({"id": addition_id, "text": text, "danger_now": danger_now}, Addition)
        encode(added)  # halves of characters have no encoding
        return added
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise ReportUnusable(f"nothing can be added like this: {error}") from error


def believable(message: MessageEvidence) -> MessageEvidence:
    """Return the message as it is if its proof holds as far as a receiver can see, or else without it."""
    try:
        opened = message.opened()
        if opened is not None:
            check_opening(opened[0], message.message, opened[1])
    except (BadOpening, MalformedMessage, UnicodeEncodeError):
        return without_proof(message)
    return message


def without_proof(message: MessageEvidence) -> MessageEvidence:
    """Return the message as its receiver's word alone."""
    return msgspec.structs.replace(message, commitment=None, opening=None, stamps=())


def digest(file: bytes) -> str:
    """Return the name of a file in a report: its SHA-256 in hexadecimal."""
    return hashlib.sha256(file).hexdigest()


def _bounded(evidence: tuple[MessageEvidence, ...], attachments: Iterable[Attachment], text: str) -> None:
    sizes = [attachment.size for attachment in attachments]
    for number, limit, what in (
        (len(evidence), limits.REPORT_MESSAGES, "messages"),
        (len(sizes), limits.REPORT_ATTACHMENTS, "files"),
        (len(text), limits.REPORT_TEXT, "characters of text"),
        (max(sizes, default=0), limits.ATTACHMENT_BYTES, "bytes in one file"),
    ):
        if number > limit:
            raise ReportTooLarge(f"a report holds at most {limit} {what}, not {number}", hint=_FEWER)
