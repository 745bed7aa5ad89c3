"""What somebody reports on purpose, and what they are told of it later.

`POST /v1/reports` takes a `Report` and answers with a `Receipt`; `PUT /v1/reports/{id}/attachments/{sha256}` takes each
file that it announces; `POST /v1/reports/{id}/additions` takes an `Addition`; `GET /v1/reports/{id}` answers with a
`ReportStatus`. Who reports is whose session it is, never a field: so nobody can report in another's name.
`GET /v1/reading-times` answers with `ReadingTimes`, before anything is reported.

A report may hold messages with proof, messages without (from clients that do not commit), or no message at all.
"""

from __future__ import annotations

import base64
import binascii
import enum
from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec

from tutela.wire import limits
from tutela.wire.document import Document, decode, encode
from tutela.wire.errors import MalformedMessage
from tutela.wire.franking import (
    COMMITMENT_BYTES,
    OPENING_BYTES,
    FrankedMessage,
    Hex32,
    MatrixId,
    Milliseconds,
    Stamp,
    StampedEvent,
)

#: Without U+0000, which not every database keeps.
Text = Annotated[str, msgspec.Meta(max_length=limits.REPORT_TEXT, pattern=r"^[^\x00]*\Z")]
Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z")]
Region = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z")]
#: No white space, nothing invisible: one account must not look like another.
UserId = Annotated[str, msgspec.Meta(pattern=r"^@[!-9;-~]{1,200}:[!-~]{1,250}\Z", max_length=255)]
Base64 = Annotated[str, msgspec.Meta(max_length=64)]

#: A report is sent padded to one of few sizes, the least of which is this.
LEAST_BYTES: Final = 16 << 10


class ReportReason(enum.StrEnum):
    """Why somebody reports, as they see it."""

    ASKED_FOR_PICTURES = "asked-for-pictures"
    THREATENED = "threatened"
    """Somebody threatens to share a picture, or to hurt."""
    WANTS_TO_MEET = "wants-to-meet"
    SAW_ABUSE = "saw-abuse"
    WORRIED_ABOUT_A_FRIEND = "worried-about-a-friend"
    SOMETHING_ELSE = "something-else"


class MessageEvidence(Document, frozen=True, tag="message", tag_field="kind"):
    """One message as its receiver holds it. Without `commitment` and `opening` it is the reporter's word."""

    event_id: MatrixId
    room_id: MatrixId
    sender: MatrixId
    sent_at: Milliseconds
    """As the reporter's client was told."""
    type: MatrixId
    content: Annotated[str, msgspec.Meta(max_length=1 << 16)]
    """The event's content without its opening, as canonical JSON."""
    commitment: Base64 | None = None
    opening: Base64 | None = None
    stamps: Annotated[tuple[Stamp, ...], msgspec.Meta(max_length=4)] = ()
    """One of each homeserver that stamped it."""

    @property
    def message(self) -> FrankedMessage:
        """What the commitment is said to cover."""
        return FrankedMessage(self.room_id, self.sender, self.type, self.content.encode())

    def opened(self) -> tuple[bytes, bytes] | None:
        """Return commitment and opening, or `None` where there is no proof.

        Raises:
            MalformedMessage: one without the other, or not base64 of 32 bytes.
        """
        if self.commitment is None and self.opening is None:
            return None
        if self.commitment is None or self.opening is None:
            raise MalformedMessage("a commitment and its opening come together")
        return from_base64(self.commitment, COMMITMENT_BYTES), from_base64(self.opening, OPENING_BYTES)

    def stamped(self, commitment: bytes) -> StampedEvent:
        """Return what the stamps are said to be about."""
        return StampedEvent(self.event_id, self.room_id, self.sender, commitment)


class Attachment(Document, frozen=True):
    """A file that belongs to one of the messages and follows in a request of its own."""

    event_id: MatrixId
    sha256: Hex32
    """Of the file as the receiver sees it, decrypted."""
    size: Annotated[int, msgspec.Meta(ge=1, le=limits.ATTACHMENT_BYTES)]


class Report(Document, frozen=True):
    """A report. `id` is chosen by the reporter's client at random, so that sending it again changes nothing."""

    version: Literal[1]
    id: Hex32
    reason: ReportReason
    danger_now: bool
    """Whether somebody is in danger now, as the reporter sees it."""
    about: UserId | None
    """Who is reported; `None` where the reporter names nobody."""
    text: Text
    language: Language
    """In which the reporter wants to be answered."""
    region: Region | None
    """Where the reporter lives, for the local helpline; only if they said so."""
    evidence: Annotated[tuple[MessageEvidence, ...], msgspec.Meta(max_length=limits.REPORT_MESSAGES)]
    attachments: Annotated[tuple[Attachment, ...], msgspec.Meta(max_length=limits.REPORT_ATTACHMENTS)]


class Proof(enum.StrEnum):
    """What the provider could verify of one message."""

    PROVEN = "proven"
    """Its sender committed to it, and the homeserver stamped it."""
    UNSTAMPED = "unstamped"
    """It opens its commitment, but no stamp is by a key that this provider holds."""
    UNPROVEN = "unproven"
    """It bears no commitment: the reporter's word."""


class Receipt(Document, frozen=True):
    """The answer to a report. `reference` is short enough to be read out on the telephone."""

    id: Hex32
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    proofs: tuple[Proof, ...]
    """One of each message, in the report's order."""
    missing: tuple[Hex32, ...]
    """Attachments that have not arrived yet."""
    read_within_minutes: Annotated[int, msgspec.Meta(ge=0)] | None
    """When somebody will have read it, as the provider promises for this urgency and hour; null if nobody reads."""
    nobody_reads: bool = False
    """Whether the provider has nobody yet who reads reports: it is kept until somebody does."""


class ReadingTime(Document, frozen=True):
    """When somebody would read a report that is made now, in minutes from now, as the provider promises."""

    nobody_for: Annotated[int, msgspec.Meta(ge=0)] | None
    """So long nobody is there to read it: a night, a free day. 0 where somebody is; null if nobody reads at all."""
    within: Annotated[int, msgspec.Meta(ge=0)] | None
    """Within so long somebody will have read it; null if nobody reads at all."""


class ReadingTimes(Document, frozen=True):
    """What is promised now for each kind of report: to be told before anybody sends one."""

    danger_now: ReadingTime
    reasons: dict[ReportReason, ReadingTime]
    """Where nobody is in danger now."""
    nobody_reads: bool = False
    """Whether the provider has nobody yet who reads reports; then no time is promised for any."""


class Addition(Document, frozen=True):
    """What a reporter adds later. `id` as in `Report`."""

    id: Hex32
    text: Annotated[Text, msgspec.Meta(min_length=1)]
    danger_now: bool = False


class ReportState(enum.StrEnum):
    """How far a report has come."""

    RECEIVED = "received"
    IN_REVIEW = "in-review"
    DECIDED = "decided"


class ReportOutcome(enum.StrEnum):
    """What became of a report, as far as its reporter is told."""

    ACTED = "acted"
    """Something was done; what exactly is between the provider and the person concerned."""
    PASSED_ON = "passed-on"
    """People whose work it is to protect children have it now."""
    NOT_AGAINST_RULES = "not-against-rules"
    MORE_NEEDED = "more-needed"


class ReportStatus(Document, frozen=True):
    """What a reporter is told when they ask."""

    id: Hex32
    reference: str
    state: ReportState
    outcome: ReportOutcome | None
    received: Milliseconds
    updated: Milliseconds
    message: Text
    """What a person wrote to the reporter; often empty."""
    additions: Annotated[int, msgspec.Meta(ge=0)]


def padded(sent: Report | Addition) -> bytes:
    """Return the document's bytes, with white space at the end: whoever watches the line sees one of few sizes."""
    data = encode(sent)
    size = LEAST_BYTES
    while size < len(data):
        size *= 2
    return data.ljust(min(size, limits.REPORT_BYTES))


def read_report(data: bytes) -> Report:
    """Parse a report and check what its parts say about each other.

    Raises:
        OversizedMessage: over `limits.REPORT_BYTES`.
        MalformedMessage: not a report; an event twice; messages out of order; proof that is half there; an attachment
            twice, or of a message that the report does not hold.
    """
    report = decode(data, Report, limit=limits.REPORT_BYTES, canonical=False)
    events = [evidence.event_id for evidence in report.evidence]
    _once(events, "message")
    _once((attachment.sha256 for attachment in report.attachments), "attachment")
    if any(
        later.sent_at < earlier.sent_at for earlier, later in zip(report.evidence, report.evidence[1:], strict=False)
    ):
        raise MalformedMessage("the messages of a report come in the order in which they were sent")
    for evidence in report.evidence:
        evidence.opened()
    if foreign := {attachment.event_id for attachment in report.attachments} - set(events):
        raise MalformedMessage(f"an attachment belongs to a message that is not reported: {min(foreign)!r:.80}")
    return report


def _once(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise MalformedMessage(f"a report holds the {what} {name!r:.80} twice")
        seen.add(name)


def from_base64(text: str, size: int) -> bytes:
    """Return the `size` bytes that `text` holds in base64.

    Raises:
        MalformedMessage: not base64, or of another length.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedMessage("not valid base64") from error
    if len(data) != size:
        raise MalformedMessage(f"expected {size} bytes in base64, not {len(data)}")
    return data
