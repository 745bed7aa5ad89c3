"""What the page needs of a client. The Matrix room's `GuardedClient` is one; tests use a pair in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Protocol

from tutela.device.conversation import ConversationGuard
from tutela.device.reports import OwnReport, Reports
from tutela.device.verdict import Verdict
from tutela.integrations.matrix.client import GuardedClient, Held, Sent
from tutela.integrations.matrix.rooms import Room
from tutela.integrations.matrix.timeline import Message, TimelineEvent
from tutela.wire.report import MessageEvidence, ReadingTimes, ReportReason


class Reporting(Protocol):
    """What an account reports on purpose. `tutela.device.Reports` is one."""

    async def send(
        self,
        reason: ReportReason,
        *,
        messages: Iterable[MessageEvidence],
        files: Mapping[str, bytes],
        about: str | None,
        danger_now: bool,
        text: str,
        language: str,
        report_id: str,
    ) -> OwnReport:
        """Report; the same `report_id` again changes nothing."""
        ...

    async def add(self, report_id: str, text: str, *, danger_now: bool, addition_id: str) -> OwnReport:
        """Add to a report; the same `addition_id` again changes nothing."""
        ...

    async def mine(self) -> tuple[OwnReport, ...]:
        """Return all reports, the newest first, and what became of them."""
        ...

    def known(self) -> tuple[OwnReport, ...]:
        """Return all reports, the newest first, as they are known here: nothing is asked."""
        ...

    def looked(self) -> None:
        """Note that the user has looked at all of them."""
        ...

    async def reading_times(self) -> ReadingTimes | None:
        """Return when somebody would read a report that is made now, if that is known."""
        ...

    def own(self, report_id: str) -> OwnReport:
        """Return one report."""
        ...


class ChatClient(Protocol):
    """One account's guarded client."""

    @property
    def user_id(self) -> str:
        """The account, such as `@mia:example.org`."""
        ...

    @property
    def events(self) -> AsyncIterator[TimelineEvent]:
        """What happens, in order, until the client is closed; also what this account sends itself."""
        ...

    @property
    def rooms(self) -> Mapping[str, Room]:
        """The rooms that this account is in, by id."""
        ...

    @property
    def conversations(self) -> ConversationGuard | None:
        """The conversation guard, for its settings; `None` where there is none."""
        ...

    async def send_text(self, room_id: str, text: str, *, confirmed: bool = False) -> str:
        """Encrypt and send text, unless the user has to think again first; return the event's id."""
        ...

    async def leave(self, room_id: str, *, forget: bool = False) -> None:
        """Leave a room."""
        ...

    async def ignore(self, user_id: str, *, ignored: bool = True) -> None:
        """Ignore somebody, or not any more."""
        ...

    def choose_picture(self, data: bytes) -> None:
        """Start checking a picture that the user has just chosen."""
        ...

    async def send_picture(
        self, room_id: str, data: bytes, filename: str, *, confirmed: Verdict | None = None
    ) -> Sent | Held:
        """Check a picture and, unless it is held for another reason than the user has confirmed, send it."""
        ...

    def accept_new_identity(self, user_id: str, *, shown: str | None = None) -> None:
        """Accept the identity that `user_id` publishes now, if its fingerprint is the one that was shown."""
        ...

    def accept_reader(self, room_id: str, user_id: str) -> None:
        """Let somebody read who has come into a room."""
        ...

    @property
    def reports(self) -> Reporting | None:
        """What this account reports; `None` where there is nobody to report to."""
        ...

    def evidence(self, message: Message) -> MessageEvidence | None:
        """Return what reporting a message takes; `None` if it cannot be reported."""
        ...

    async def attachment(self, evidence: MessageEvidence) -> bytes:
        """Fetch the file that a message brought, whatever the verdict on it was."""
        ...


def _fits(client: GuardedClient) -> ChatClient:
    return client  # mypy holds the two together


def _fit(reports: Reports) -> Reporting:
    return reports
