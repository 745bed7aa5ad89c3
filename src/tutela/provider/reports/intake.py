"""Taking in reports: what was verified is durable before the reporter is told so; nothing is taken in twice.

The laws of order:

1. A report is parsed and verified before anything is written. What claims proof and fails is refused whole.
2. One transaction writes the report, its messages, its case and the audit log's entry.
3. The answer to the same report sent again is the same receipt; another report under its id is refused.
4. Attachments follow one by one; a report is read by people even if they never come.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tutela.matching.voprf import RandomBytes
from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.errors import ReportConflict, TooManyReports, UnknownAttachment, UnknownReport, WrongAttachment
from tutela.provider.reports.attachments import AttachmentFiles
from tutela.provider.reports.resent import Resent
from tutela.provider.reports.tables import Report as ReportTable
from tutela.provider.reports.tables import ReportAddition, ReportAttachment, ReportMessage
from tutela.provider.reports.verification import AttachmentCheck, StampKeys, verify
from tutela.provider.review import audit, cases
from tutela.provider.review.policy import Policy, Urgency, urgency_of
from tutela.provider.review.staff import somebody_reads
from tutela.provider.review.tables import Case
from tutela.provider.segments import DIGEST
from tutela.wire import document
from tutela.wire.report import (
    Addition,
    Proof,
    ReadingTime,
    ReadingTimes,
    Receipt,
    Report,
    ReportOutcome,
    ReportReason,
    ReportState,
    ReportStatus,
    read_report,
)

_HOUR: Final = 3_600_000
#: Reports, and additions, of one account in an hour; some more when somebody is in danger now.
REPORTS_PER_HOUR: Final = 20
URGENT_PER_HOUR: Final = 25
ADDITIONS: Final = 100
#: Whoever reports more than this in a day waits behind those who do not.
REPORTS_BEFORE_OTHERS: Final = 5
#: What one account may send of files in a day, in bytes.
FILES_PER_DAY: Final = 512 << 20
#: Without letters and digits that look alike (Crockford's base 32).
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True)
class Reports:
    """The reports of one provider. Safe to share between threads."""

    database: Database
    files: AttachmentFiles
    clock: Clock
    random: RandomBytes
    policy: Policy
    stamps: StampKeys
    resent: Resent = field(default_factory=Resent)
    _coming: Counter[str] = field(default_factory=Counter)
    """Bytes of the files that are arriving now, by account. Of the event loop's thread alone, as `resent`."""

    def take(self, account: str, data: bytes) -> Receipt:
        """Take in a report that `account` sends, or answer as before if it was taken in already.

        Raises:
            MalformedMessage, OversizedMessage: not a report.
            ReportRefused: a message claims a proof that it does not have.
            ReportConflict: another report bears this id.
            TooManyReports: more than `REPORTS_PER_HOUR`.
        """
        report = read_report(data)
        digest = hashlib.sha256(document.encode(report)).hexdigest()
        if (known := self._known(account, report, digest)) is not None:
            return known
        proofs = verify(report, self.stamps)
        try:
            with self.database.writing() as connection:
                self._write(connection, account, report, digest, proofs)
        except IntegrityError:
            # The same report twice at the same moment: the other one is there now.
            pass
        if (taken := self._known(account, report, digest)) is None:
            raise AssertionError("a report that was just written is not there")
        return taken

    async def attach(self, account: str, report_id: str, sha256: str, size: int, chunks: AsyncIterator[bytes]) -> None:
        """Take in a file that a report announced. Doing it again changes nothing, and counts as much.

        Raises:
            UnknownReport, UnknownAttachment: it was not announced by this account.
            WrongAttachment: another size or digest than announced, or not the file that its message names.
            TooManyReports: the account has sent more than `FILES_PER_DAY`, what came to nothing included.
            StorageUnavailable: the disk is full or gone.
        """
        row, announced = self._announced(account, report_id, sha256)
        if announced.size != size:
            raise WrongAttachment(f"the file was announced with {announced.size} bytes, not {size}")
        self._admit_file(account, size)
        if announced.arrived is not None:
            self.resent.count(account, size, self.clock())
            return
        report = msgspec.json.decode(row.body, type=Report)
        [evidence] = [e for e in report.evidence if e.event_id == announced.event_id]
        check = AttachmentCheck(evidence) if evidence.opened() is not None else None
        self._coming[account] += size  # or many at once would each be the first
        try:
            await self.files.receive(report_id, sha256, size, chunks, check)
            self._note_arrived(row, sha256)
        except WrongAttachment:
            self.resent.count(account, size, self.clock())
            raise
        finally:
            self._coming[account] -= size
            if not self._coming[account]:
                del self._coming[account]

    def add(self, account: str, report_id: str, addition: Addition) -> ReportStatus:
        """Add to a report, which is to be decided again then. The same addition again changes nothing.

        Raises:
            UnknownReport: this account has made none of this id.
            ReportConflict: another addition bears this id.
            TooManyReports: more than `ADDITIONS`.
        """
        row = ReportAddition
        with self.database.writing() as connection:
            found = self._own(connection, account, report_id)
            mine = row.report == report_id
            before = connection.execute(select(row).where(mine, row.id == addition.id)).first()
            if before is None:
                if (connection.scalar(select(func.count()).where(mine)) or 0) >= ADDITIONS:
                    raise TooManyReports("this report has been added to very often", hint="Make a new report.")
                now = self.clock()
                self._admit(connection, account, danger_now=addition.danger_now, now=now)
                values = {"report": report_id, "id": addition.id, "text": addition.text, "received": now}
                connection.execute(insert(row).values(danger_now=addition.danger_now, **values))
                case = self._raise_again(connection, account, found, danger_now=addition.danger_now, now=now)
                audit.append(connection, now, audit.Entry(event="report-added-to", by="reporter", case=case))
            elif (before.text, before.danger_now) != (addition.text, addition.danger_now):
                raise ReportConflict("another addition was made under this id")
        return self.status(account, report_id)

    def status(self, account: str, report_id: str) -> ReportStatus:
        """Return what the reporter is told of a report.

        Raises:
            UnknownReport: this account has made none of this id.
        """
        with self.database.reading() as connection:
            found = self._own(connection, account, report_id)
            assigned = connection.scalar(select(Case.assigned).where(Case.id == found.case))
            added = connection.scalar(select(func.count()).where(ReportAddition.report == report_id))
        state = ReportState(found.state)
        # Only if somebody took the case after this report came: else it would tell that others have reported, too.
        if state is ReportState.RECEIVED and assigned is not None and assigned > found.received:
            state = ReportState.IN_REVIEW
        return ReportStatus(
            id=found.id,
            reference=found.reference,
            state=state,
            outcome=ReportOutcome(found.outcome) if found.outcome else None,
            received=found.received,
            updated=found.updated,
            message=found.answer,
            additions=added or 0,
        )

    def mine(self, account: str) -> tuple[ReportStatus, ...]:
        """Return all that `account` has reported, the newest first."""
        with self.database.reading() as connection:
            row = ReportTable
            ids = connection.scalars(
                select(row.id).where(row.account == account).order_by(row.received.desc(), row.id).limit(100)
            ).all()
        return tuple(self.status(account, report_id) for report_id in ids)

    def reading_times(self) -> ReadingTimes:
        """Return when somebody would read a report that is made now. Nothing is promised while nobody can read it."""
        now = self.clock()
        with self.database.reading() as connection:
            read = somebody_reads(connection)

        def time(urgency: Urgency) -> ReadingTime:
            if not read:
                return ReadingTime(nobody_for=None, within=None)
            nobody_for, within = self.policy.nobody_for(urgency, now), self.policy.read_within(urgency, now)
            return ReadingTime(nobody_for=nobody_for, within=within)

        reasons = {reason: time(urgency_of(reason, danger_now=False)) for reason in ReportReason}
        return ReadingTimes(danger_now=time(Urgency.IMMINENT), reasons=reasons, nobody_reads=not read)

    def _write(
        self, connection: Connection, account: str, report: Report, digest: str, proofs: tuple[Proof, ...]
    ) -> None:
        now = self.clock()
        self._admit(connection, account, danger_now=report.danger_now, now=now)
        # Whoever reports themselves learns nothing by it: that is a case of its own.
        about = report.about if report.about != account else None
        before = connection.scalar(
            select(ReportTable.case)
            .join(Case, Case.id == ReportTable.case)
            .where(ReportTable.account == account, Case.about == about, Case.open)
            .limit(1)
        )
        case, news = cases.enter(
            connection,
            about=about,
            urgency=urgency_of(report.reason, danger_now=report.danger_now),
            damped=self._damped(connection, account, now),
            known_reporter=before,
            now=now,
            policy=self.policy,
        )
        connection.execute(
            insert(ReportTable).values(
                id=report.id,
                account=account,
                case=case,
                news=news,
                decision=None,
                reference=_reference(self.random),
                digest=digest,
                body=document.encode(report),
                proofs=" ".join(proofs),
                reason=report.reason,
                danger_now=report.danger_now,
                received=now,
                updated=now,
                state=ReportState.RECEIVED,
                outcome=None,
                answer="",
                bad_faith=False,
            )
        )
        proven = {
            evidence.event_id: proof is Proof.PROVEN for evidence, proof in zip(report.evidence, proofs, strict=True)
        }
        messages = [
            {"report": report.id, "event_id": evidence.event_id, "room_id": evidence.room_id}
            for evidence in report.evidence
        ]
        attachments = [
            {
                "report": report.id,
                "sha256": attachment.sha256,
                "event_id": attachment.event_id,
                "size": attachment.size,
                "proven": proven[attachment.event_id],
                "arrived": None,
            }
            for attachment in report.attachments
        ]
        for table, rows in ((ReportMessage, messages), (ReportAttachment, attachments)):
            if rows:
                connection.execute(insert(table), rows)
        # The log is for outsiders, too, one day: it names the report by its digest, and nobody.
        audit.append(connection, now, audit.Entry(event="report-received", by="reporter", case=case, digest=digest))

    def _raise_again(self, connection: Connection, account: str, found: Row[Any], *, danger_now: bool, now: int) -> int:
        """A report that was added to is to be looked at again: in its case, or in the one that is open by now."""
        row = ReportTable
        case = cases.load(connection, found.case)
        if not case.open:
            case = cases.open_about(connection, case.about) or case
        urgency = Urgency.IMMINENT if danger_now else case.urgency
        damped = self._damped(connection, account, now)
        news = cases.more(connection, case, urgency=urgency, damped=damped, now=now, policy=self.policy)
        state = ReportState.IN_REVIEW if found.state == ReportState.DECIDED else found.state
        values = {"case": case.id, "news": news, "state": state, "updated": now}
        connection.execute(update(row).where(row.id == found.id).values(**values))
        return case.id

    def _admit(self, connection: Connection, account: str, *, danger_now: bool, now: int) -> None:
        since = now - _HOUR
        added = (
            select(ReportAddition.received)
            .join(ReportTable, ReportTable.id == ReportAddition.report)
            .where(ReportTable.account == account, ReportAddition.received > since)
        )
        times = [time for query in (_received(account, since), added) for time in connection.scalars(query)]
        if len(times) >= (URGENT_PER_HOUR if danger_now else REPORTS_PER_HOUR):
            raise TooManyReports(
                "this account has made very many reports within an hour",
                hint="Wait a little. If somebody is in danger now, call the emergency number.",
                retry_after=max(1, -(-(min(times) + _HOUR - now) // 1000)),
            )

    def _note_arrived(self, report: Row[Any], sha256: str) -> None:
        row = ReportAttachment
        with self.database.writing() as connection:
            now = self.clock()
            this = update(row).where(row.report == report.id, row.sha256 == sha256, row.arrived.is_(None))
            if connection.execute(this.values(arrived=now)).rowcount:
                entry = audit.Entry(event="attachment-received", by="reporter", case=report.case, digest=sha256)
                audit.append(connection, now, entry)

    def _admit_file(self, account: str, size: int) -> None:
        row, now = ReportAttachment, self.clock()
        with self.database.reading() as connection:
            sent = connection.scalar(
                select(func.sum(row.size))
                .join(ReportTable, ReportTable.id == row.report)
                .where(ReportTable.account == account, row.arrived > now - 24 * _HOUR)
            )
        if int(sent or 0) + self.resent.of(account, now) + self._coming[account] + size > FILES_PER_DAY:
            raise TooManyReports(
                "this account has sent very large files today",
                hint="The report is kept without this file. Send it tomorrow.",
                retry_after=3600,
            )

    def _damped(self, connection: Connection, account: str, now: int) -> bool:
        """Whether this account's reports wait behind others: they were in bad faith before, or come in numbers."""
        row, rule = ReportTable, self.policy.bad_faith
        found = connection.scalar(
            select(func.count()).where(
                row.account == account, row.bad_faith, row.received > now - rule.days * 24 * _HOUR
            )
        )
        today = len(connection.scalars(_received(account, now - 24 * _HOUR)).all())
        return (found or 0) >= rule.reports or today >= REPORTS_BEFORE_OTHERS

    def _known(self, account: str, report: Report, digest: str) -> Receipt | None:
        with self.database.reading() as connection:
            found = connection.execute(select(ReportTable).where(ReportTable.id == report.id)).first()
            if found is None:
                return None
            if (found.account, found.digest) != (account, digest):
                raise ReportConflict("another report was made under this id", hint="Choose a new random id.")
            missing = connection.scalars(
                select(ReportAttachment.sha256)
                .where(ReportAttachment.report == report.id, ReportAttachment.arrived.is_(None))
                .order_by(ReportAttachment.sha256)
            ).all()
            read = somebody_reads(connection)
        urgency = urgency_of(report.reason, danger_now=report.danger_now)
        return Receipt(
            id=report.id,
            reference=found.reference,
            proofs=tuple(Proof(proof) for proof in found.proofs.split()),
            missing=tuple(missing),
            read_within_minutes=self.policy.read_within(urgency, found.received) if read else None,
            nobody_reads=not read,
        )

    def _announced(self, account: str, report_id: str, sha256: str) -> tuple[Row[Any], Row[Any]]:
        with self.database.reading() as connection:
            found = self._own(connection, account, report_id)
            row = ReportAttachment
            announced: Row[Any] | None = None
            if DIGEST.fullmatch(sha256):
                this = select(row).where(row.report == report_id, row.sha256 == sha256)
                announced = connection.execute(this).first()
        if announced is None:
            raise UnknownAttachment("the report announced no such attachment")
        return found, announced

    def _own(self, connection: Connection, account: str, report_id: str) -> Row[Any]:
        found: Row[Any] | None = None
        if DIGEST.fullmatch(report_id):
            found = connection.execute(
                select(ReportTable).where(ReportTable.id == report_id, ReportTable.account == account)
            ).first()
        if found is None:
            # The same answer for somebody else's report as for none: its id tells nobody that it exists.
            raise UnknownReport("you have made no such report")
        return found


def _received(account: str, since: int) -> Select[Any]:
    return select(ReportTable.received).where(ReportTable.account == account, ReportTable.received > since)


def _reference(random: RandomBytes) -> str:
    """Return eight letters and digits that can be read out on the telephone: `7F3K-QX2M`."""
    letters = "".join(_ALPHABET[byte % 32] for byte in random(8))
    return f"{letters[:4]}-{letters[4:]}"
