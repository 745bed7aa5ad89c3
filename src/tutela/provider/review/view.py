"""A case as its page shows it: read models, assembled from the tables in one moment.

Bounded, however large a case is: reports come by the page, and of the reports' messages as many are read at once as
`BODIES` allows; the reports beyond are named, and each can be looked at by itself. Nothing is left out unsaid.
"""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, and_, func, select

from tutela.provider.database import Database
from tutela.provider.errors import NotAllowed, UnknownCase, UnknownMedium
from tutela.provider.reports.attachments import AttachmentFiles
from tutela.provider.reports.tables import Report, ReportAddition, ReportAttachment, ReportMessage
from tutela.provider.reports.verification import StampKeys
from tutela.provider.review import audit, cases, notes, outbox
from tutela.provider.review.cases import CaseRow
from tutela.provider.review.evidence import said
from tutela.provider.review.notes import NoteRow
from tutela.provider.review.people import Permission, Person
from tutela.provider.review.records import IN_FORCE, DecisionRow, read_row
from tutela.provider.review.tables import Action, Appeal, Case, Decision
from tutela.provider.review.timeline import HeldReport, ReportedFile, ReportedMessage, timeline
from tutela.wire.report import Proof, ReportReason
from tutela.wire.report import Report as WireReport

#: On one page.
REPORTS: Final = 20
MESSAGES: Final = 100
RELATED: Final = 20
#: Bytes of reports that are read for one page.
BODIES: Final = 32 << 20
#: Of a case's audit entries, the newest.
ENTRIES: Final = 200


@dataclass(frozen=True)
class ShownAddition:
    """What a reporter added later."""

    text: str
    danger_now: bool
    received: int


@dataclass(frozen=True)
class ShownReport:
    """A report as reviewers see it. Times in milliseconds."""

    id: str
    reference: str
    account: str
    reason: ReportReason
    danger_now: bool
    text: str
    language: str
    region: str | None
    received: int
    bad_faith: bool
    additions: tuple[ShownAddition, ...]
    proofs: dict[Proof, int]
    """How many of its messages are proven, and how."""
    before: int
    """Reports that this account made before this one."""
    before_in_bad_faith: int


class Link(enum.StrEnum):
    """What two cases have in common."""

    ACCOUNT = "account"
    MESSAGE = "message"
    FILE = "file"
    ROOM = "room"


@dataclass(frozen=True)
class RelatedCase:
    """Another case that has something in common with this one."""

    case: CaseRow
    links: tuple[Link, ...]


@dataclass(frozen=True)
class ShownAction:
    """What carries out a decision, and how far that is. Times in milliseconds."""

    kind: str
    target: str
    state: str
    attempts: int
    after: int
    done: int | None
    detail: str


@dataclass(frozen=True)
class ShownAppeal:
    """An appeal that was made. Times in milliseconds."""

    text: str
    received: int
    stands: bool | None
    reasons: str | None
    answered_by: str | None
    answered: int | None


@dataclass(frozen=True)
class ShownDecision:
    """A decision with what became of it."""

    decision: DecisionRow
    actions: tuple[ShownAction, ...]
    appeal: ShownAppeal | None

    @property
    def appealed(self) -> bool:
        """Whether an appeal waits for its answer."""
        return self.appeal is not None and self.appeal.answered is None and self.decision.state == IN_FORCE


@dataclass(frozen=True)
class Evidence:
    """What was reported in a case: one page of its reports and one of its messages."""

    about: str | None
    reports: Sequence[ShownReport]
    reports_page: int
    reports_in_all: int
    messages: Sequence[ReportedMessage]
    messages_page: int
    messages_in_all: int
    unread: Sequence[str]
    """References of reports whose messages are not among these, because there are so many."""


@dataclass(frozen=True)
class Withdrawable:
    """A medium that the person concerned was proven to have sent, and that can be locked away. Time in milliseconds."""

    address: str
    filename: str
    time: int


@dataclass(frozen=True)
class CasePage:
    """All that a case's page shows."""

    case: CaseRow
    evidence: Evidence
    media: Sequence[Withdrawable]
    related: Sequence[RelatedCase]
    decisions: Sequence[ShownDecision]
    notes: Sequence[NoteRow]
    entries: Sequence[audit.Logged]


@dataclass(frozen=True)
class Medium:
    """A reported file that has arrived."""

    case: int
    size: int
    path: Path


@dataclass(frozen=True)
class Views:
    """Reads what reviewers look at. Safe to share between threads."""

    database: Database
    stamps: StampKeys
    files: AttachmentFiles

    def case(
        self, person: Person, case: int, *, reports_page: int = 1, messages_page: int = 1, only: str | None = None
    ) -> CasePage:
        """Return a case's page; with `only`, the messages of the report of this reference alone.

        Raises:
            UnknownCase: there is none of this id.
            NotAllowed: this person may not see it (now).
        """
        with self.database.reading() as connection:
            found = cases.load(connection, case)
            decisions = self._decisions(connection, case)
            check_may_see(person, [shown.decision for shown in decisions], any(shown.appealed for shown in decisions))
            return CasePage(
                case=found,
                evidence=self._evidence(connection, found, reports_page, messages_page, only),
                media=_withdrawable(connection, case, _within(_sizes(connection, case), only)[0]),
                # Whoever sees only what waits for them learns of no other case.
                related=_related(connection, found) if person.may(Permission.SEE_QUEUE) else (),
                decisions=decisions,
                notes=notes.of_case(connection, case),
                entries=audit.of_case(connection, case)[-ENTRIES:],
            )

    def evidence(
        self, case: int, *, reports_page: int = 1, messages_page: int = 1, only: str | None = None
    ) -> Evidence:
        """Return what was reported in a case and nothing of what was decided: for a second look.

        Raises:
            UnknownCase: there is none of this id.
        """
        with self.database.reading() as connection:
            return self._evidence(connection, cases.load(connection, case), reports_page, messages_page, only)

    def medium(self, report: str, sha256: str) -> Medium:
        """Return a file that was reported and has arrived.

        Raises:
            UnknownMedium: there is none.
        """
        row = ReportAttachment
        with self.database.reading() as connection:
            this = select(row.size, Report.case).join(Report, Report.id == row.report)
            found = connection.execute(
                this.where(row.report == report, row.sha256 == sha256, row.arrived.is_not(None))
            ).first()
        if found is None:
            raise UnknownMedium("no such file was reported, or it has not arrived")
        return Medium(found.case, found.size, self.files.path(report, sha256))

    def check(self, person: Person, case: int) -> None:
        """Go on only if `person` may see a case now.

        Raises:
            UnknownCase, NotAllowed: as `case`.
        """
        with self.database.reading() as connection:
            cases.load(connection, case)
            rows = connection.execute(select(Decision).where(Decision.case == case))
            appealed = connection.scalar(_open_appeals(case).limit(1)) is not None
            check_may_see(person, [read_row(row) for row in rows], appealed)

    def _evidence(
        self, connection: Connection, case: CaseRow, reports_page: int, messages_page: int, only: str | None
    ) -> Evidence:
        sizes = _sizes(connection, case.id)
        read, unread = _within(sizes, only)
        messages = timeline(_held(connection, read), _files(connection, read), self.stamps)
        first = max(0, reports_page - 1) * REPORTS
        begin = max(0, messages_page - 1) * MESSAGES
        return Evidence(
            about=case.about,
            reports=_reports(connection, [row.id for row in sizes[first : first + REPORTS]]),
            reports_page=reports_page,
            reports_in_all=len(sizes),
            messages=messages[begin : begin + MESSAGES],
            messages_page=messages_page,
            messages_in_all=len(messages),
            unread=unread,
        )

    def _decisions(self, connection: Connection, case: int) -> Sequence[ShownDecision]:
        rows = connection.execute(
            select(Decision).where(Decision.case == case).order_by(Decision.proposed, Decision.id)
        )
        decisions = [read_row(row) for row in rows]
        ids = [decision.id for decision in decisions]
        actions: defaultdict[str, list[ShownAction]] = defaultdict(list)
        for row in connection.execute(select(Action).where(Action.decision.in_(ids)).order_by(Action.number)):
            actions[row.decision].append(
                ShownAction(row.kind, row.target, row.state, row.attempts, row.after, row.done, row.detail)
            )
        made = select(Appeal).where(Appeal.decision.in_(ids), Appeal.received.is_not(None))
        appeals = {
            row.decision: ShownAppeal(row.text, row.received, row.stands, row.reasons, row.answered_by, row.answered)
            for row in connection.execute(made)
        }
        return [ShownDecision(one, tuple(actions[one.id]), appeals.get(one.id)) for one in decisions]


def _withdrawable(connection: Connection, case: int, read: Sequence[str]) -> Sequence[Withdrawable]:
    found = {
        address: Withdrawable(address, said(evidence).filename, evidence.sent_at)
        for part in _in_parts(read)
        for evidence in outbox.proven_of(connection, case, part)
        for address, _ in outbox.media_in(evidence)
    }
    return sorted(found.values(), key=lambda medium: medium.time)


def check_may_see(person: Person, decisions: Sequence[DecisionRow], appealed: bool) -> None:
    """Go on only if somebody may see a case: of another organisation, only what waits for them or what they settled.

    Raises:
        NotAllowed: they may not.
    """
    person.check(Permission.SEE_CASE)
    if person.may(Permission.SEE_QUEUE) or appealed:
        return
    if not any(decision.waiting or decision.took_part(person) for decision in decisions):
        raise NotAllowed("this case does not wait for you", hint="You see cases while they wait for a second person.")


def _open_appeals(case: int) -> Select[Any]:
    return (
        select(Appeal.decision)
        .join(Decision, Decision.id == Appeal.decision)
        .where(Decision.case == case, Decision.state == IN_FORCE)
        .where(Appeal.received.is_not(None), Appeal.answered.is_(None))
    )


def _sizes(connection: Connection, case: int) -> Sequence[Row[Any]]:
    """Return id, reference and size of a case's reports, in the order in which they came."""
    row = Report
    sizes = select(row.id, row.reference, func.length(row.body).label("size")).where(row.case == case)
    return connection.execute(sizes.order_by(row.received, row.id)).all()


def _within(sizes: Sequence[Row[Any]], only: str | None) -> tuple[list[str], list[str]]:
    """Return the ids of the reports to read, and the references of those beyond `BODIES`."""
    if only is not None:
        chosen = [row.id for row in sizes if row.reference == only]
        if not chosen:
            raise UnknownCase("this case has no such report")
        return chosen, []
    read, unread, total = list[str](), list[str](), 0
    for row in sizes:
        total += row.size
        if read and total > BODIES:
            unread.append(row.reference)
        else:
            read.append(row.id)
    return read, unread


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Databases bound how many values a statement may hold."""
    for start in range(0, len(ids), 500):
        yield ids[start : start + 500]


def _held(connection: Connection, ids: Sequence[str]) -> Iterator[HeldReport]:
    row = Report
    for part in _in_parts(ids):
        chosen = select(row.reference, row.body, row.proofs).where(row.id.in_(part)).order_by(row.received, row.id)
        for found in connection.execute(chosen.execution_options(yield_per=10)):
            proofs = [Proof(proof) for proof in found.proofs.split()]
            yield HeldReport(found.reference, msgspec.json.decode(found.body, type=WireReport), proofs)


def _files(connection: Connection, ids: Sequence[str]) -> Iterator[ReportedFile]:
    row = ReportAttachment
    for part in _in_parts(ids):
        for found in connection.execute(select(row).where(row.report.in_(part)).order_by(row.report, row.sha256)):
            yield ReportedFile(found.report, found.event_id, found.sha256, found.size, found.proven, found.arrived)


def _reports(connection: Connection, ids: Sequence[str]) -> Sequence[ShownReport]:
    additions: defaultdict[str, list[ShownAddition]] = defaultdict(list)
    added = select(ReportAddition).where(ReportAddition.report.in_(ids)).order_by(ReportAddition.received)
    for found in connection.execute(added):
        additions[found.report].append(ShownAddition(found.text, found.danger_now, found.received))
    # One after the other: a report may be large, and little of it is shown here.
    return [_report(connection, report, tuple(additions[report])) for report in ids]


def _report(connection: Connection, report: str, additions: tuple[ShownAddition, ...]) -> ShownReport:
    row = Report
    found = connection.execute(select(row).where(row.id == report)).one()
    body = msgspec.json.decode(found.body, type=WireReport)
    earlier = and_(row.account == found.account, row.received < found.received)
    before = connection.scalar(select(func.count()).where(earlier))
    in_bad_faith = connection.scalar(select(func.count()).where(earlier, row.bad_faith))
    return ShownReport(
        id=found.id,
        reference=found.reference,
        account=found.account,
        reason=ReportReason(found.reason),
        danger_now=found.danger_now,
        text=body.text,
        language=body.language,
        region=body.region,
        received=found.received,
        bad_faith=found.bad_faith,
        additions=additions,
        proofs=dict(Counter(Proof(proof) for proof in found.proofs.split())),
        before=before or 0,
        before_in_bad_faith=in_bad_faith or 0,
    )


def _related(connection: Connection, case: CaseRow) -> Sequence[RelatedCase]:
    """Return the newest cases that have an account, a message, a file or a room in common with this one."""
    mine = select(Report.id).where(Report.case == case.id)
    links: defaultdict[int, dict[Link, None]] = defaultdict(dict)
    if case.about is not None:
        _note(connection, links, Link.ACCOUNT, select(Case.id).where(Case.about == case.about), Case.id, case.id)
    for link, table, column in (
        (Link.MESSAGE, ReportMessage, ReportMessage.event_id),
        (Link.FILE, ReportAttachment, ReportAttachment.sha256),
        (Link.ROOM, ReportMessage, ReportMessage.room_id),
    ):
        ours = select(column).where(table.report.in_(mine)).distinct()
        same = select(Report.case).join(table, table.report == Report.id).where(column.in_(ours)).distinct()
        _note(connection, links, link, same, Report.case, case.id)
    newest = sorted(links, reverse=True)[:RELATED]
    rows = {row.id: row for row in cases.several(connection, newest)}
    return [RelatedCase(rows[number], tuple(links[number])) for number in newest]


def _note(
    connection: Connection,
    links: defaultdict[int, dict[Link, None]],
    link: Link,
    found: Select[Any],
    column: Any,
    case: int,
) -> None:
    for number in connection.scalars(found.where(column != case).order_by(column.desc()).limit(RELATED)):
        links[number][link] = None
