"""Deciding a case: proposed by one person, and, where it harms somebody, in force only with a second one.

The laws of order:

1. Whoever acts names the version of the case that they saw. If it has changed since, nothing happens (`StaleCase`).
2. A decision, what it does to the case and its reports, the actions that carry it out, and its audit entry are one
   transaction. Carrying out comes later (`acting`), as often as it takes.
3. Nobody settles what they proposed, and nobody decides on an appeal against what they proposed or settled.
4. To undo takes as many people as it took to decide.
5. A decision is about what whoever proposed it had seen. A report or an addition that came later keeps the case open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select, update

from tutela.matching.voprf import RandomBytes
from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.errors import (
    DecisionSettled,
    SamePerson,
    UnknownDecision,
    WrongDecision,
)
from tutela.provider.reports.tables import Report
from tutela.provider.review import audit, cases, outbox
from tutela.provider.review.people import Permission, Person
from tutela.provider.review.policy import ActionKind, Policy
from tutela.provider.review.records import IN_FORCE, LAPSED, PROPOSED, REFUSED, UNDONE, DecisionRow, read_row
from tutela.provider.review.silence import check_silence
from tutela.provider.review.tables import Appeal, Case, Decision
from tutela.wire.report import ReportOutcome, ReportState

_HOUR: Final = 3_600_000
#: What a reviewer may write, in characters.
TEXT: Final = 4000
_LASTING: Final = frozenset({ActionKind.LOCK, ActionKind.BAN})


@dataclass(frozen=True)
class Proposal:
    """What somebody wants decided.

    `reasons` go to the person concerned and into the record, `answer` to all whose reports are decided. Neither may
    say who reported: `propose` refuses the reporters' names in both.
    """

    actions: tuple[ActionKind, ...]
    rule: str
    reasons: str
    answer: str = ""
    bad_faith: frozenset[str] = frozenset()
    """Ids of the reports that were made to harm somebody."""
    media: tuple[str, ...] = ()
    """Which media are withdrawn: some of `outbox.media_of` the case."""
    sure: bool = False
    """A word in the texts is also a reporter's name, and whoever proposes has looked: it does not mean them."""


@dataclass(frozen=True)
class Decisions:
    """The decisions of one provider. Safe to share between threads and processes."""

    database: Database
    clock: Clock
    random: RandomBytes
    policy: Policy

    def propose(
        self, person: Person, case: int, version: int, proposal: Proposal, *, seen: int | None = None
    ) -> DecisionRow:
        """Propose a decision; what one person may decide is in force at once.

        `seen` is the case's `news` as the person saw it; by default all that has come in by now.

        Raises:
            NotAllowed: this person proposes nothing.
            WrongDecision: not what the policy knows, without reasons, or naming a reporter.
            UnknownCase, StaleCase: there is no such case, or it has changed.
            DecisionSettled: the case is closed, or something is proposed already.
        """
        person.check(Permission.PROPOSE)
        self._check(proposal)
        with self.database.writing() as connection:
            found = cases.load(connection, case)
            cases.change(connection, case, version, changed=self.clock())
            if not found.open:
                raise DecisionSettled("this case is closed", hint="Undo its decision, or wait for an addition.")
            if _waiting(connection, case):
                raise DecisionSettled("something is proposed already", hint="Second it or refuse it first.")
            if not 0 < (seen := found.news if seen is None else seen) <= found.news:
                raise WrongDecision("what was seen of the case is not known here")
            self._check_case(connection, case, proposal)
            check_silence(connection, case, (proposal.reasons, proposal.answer), sure=proposal.sure)
            decision = self._insert(connection, person, case, "act", None, proposal, seen)
            at_once = self.policy.may_act_at_once(proposal.actions, found.urgency)
            if at_once and not _acted_at_once(connection, case, person):
                lapses = self.clock() + self.policy.urgent.hours * _HOUR
                self._set(connection, decision, state=IN_FORCE, lapses=lapses, at_once=True)
                outbox.carry_out(connection, self._load(connection, decision), found.about, self.clock())
                self._log(connection, "acted-at-once", person, case, decision, proposal)
            elif self.policy.needs_two(proposal.actions, found.urgency):
                self._log(connection, "proposed", person, case, decision, proposal)
            else:
                self._put_in_force(connection, person, decision, found.about, "decided")
            return self._load(connection, decision)

    def second(self, person: Person, decision: str, version: int) -> DecisionRow:
        """Put into force what somebody else has proposed, or confirm what somebody else did at once.

        Raises:
            NotAllowed: this person settles nothing.
            SamePerson: it is their own.
            UnknownDecision, StaleCase, DecisionSettled: there is none, the case has changed, or it is settled already.
        """
        person.check(Permission.SETTLE)
        with self.database.writing() as connection:
            found = self._open(connection, person, decision, version)
            about = cases.load(connection, found.case).about
            if found.kind == "act":
                # Somebody may have reported since, whom the texts name.
                check_silence(connection, found.case, (found.reasons, found.answer), sure=False, whole_only=True)
            if found.state == IN_FORCE:
                self._set(connection, decision, settled_by=person.id, settled=self.clock(), lapses=None)
                outbox.confirm(connection, decision, about, self.clock())
                self._close(connection, self._load(connection, decision))
                self._log(connection, "confirmed", person, found.case, decision)
            elif found.kind == "undo":
                self._undo(connection, person, found, "undone")
            else:
                self._put_in_force(connection, person, decision, about, "seconded")
            return self._load(connection, decision)

    def refuse(self, person: Person, decision: str, version: int, reasons: str, *, sure: bool = False) -> DecisionRow:
        """Refuse what somebody has proposed, or end what they did at once; whoever proposed may take it back.

        Where that answers an appeal, the person concerned reads the reasons; `sure` is as in `Proposal`.

        Raises:
            NotAllowed, UnknownDecision, StaleCase, DecisionSettled: as `second`.
            WrongDecision: no reasons, or naming a reporter.
        """
        person.check(Permission.SETTLE)
        _check_text(reasons, "reasons")
        with self.database.writing() as connection:
            found = self._open(connection, person, decision, version, own=True)
            about, now = cases.load(connection, found.case).about, self.clock()
            if found.state == IN_FORCE:
                outbox.take_back(connection, found, about, now)
            if found.of is not None and _granted(connection, found.of):
                undone = self._load(connection, found.of)
                if undone.took_part(person):
                    raise SamePerson("this appeal is against your own decision", hint="Somebody else decides on it.")
                check_silence(connection, found.case, (reasons,), sure=sure)
                outbox.answer_appeal(connection, undone, about, stands=True, reasons=reasons, now=now)
            self._set(connection, decision, state=REFUSED, settled_by=person.id, settled=now, lapses=None)
            self._log(connection, "refused", person, found.case, decision, digest=_digest(reasons))
            self._reopen(connection, found.case)
            return self._load(connection, decision)

    def undo(self, person: Person, decision: str, version: int, reasons: str) -> DecisionRow:
        """Undo what is in force, or propose so where two people decided it. The case opens again.

        Raises:
            NotAllowed, UnknownDecision, StaleCase: as `propose`.
            DecisionSettled: it is not in force, or something is proposed already.
            WrongDecision: no reasons, or what was disclosed (that cannot be undone).
        """
        person.check(Permission.PROPOSE)
        _check_text(reasons, "reasons")
        with self.database.writing() as connection:
            found = self._load(connection, decision)
            case = cases.load(connection, found.case)
            cases.change(connection, case.id, version, changed=self.clock())
            if found.state != IN_FORCE or found.kind != "act":
                raise DecisionSettled("this decision is not in force")
            if _waiting(connection, case.id):
                raise DecisionSettled("something is proposed already", hint="Second it or refuse it first.")
            if ActionKind.DISCLOSE in found.actions:
                raise WrongDecision("what was disclosed cannot be taken back", hint="Write to whoever received it.")
            proposal = Proposal(found.actions, found.rule, reasons)
            undoing = self._insert(connection, person, case.id, "undo", decision, proposal, case.news)
            if self.policy.needs_two(found.actions, case.urgency):
                self._reopen(connection, case.id)
                self._log(connection, "undo-proposed", person, case.id, undoing, proposal)
            else:
                self._undo(connection, person, self._load(connection, undoing), "undone")
            return self._load(connection, undoing)

    def appeal(self, token: str, text: str) -> None:
        """Take in an appeal by the person concerned, who was given `token` with the decision. Once; the case opens.

        Raises:
            UnknownDecision: nobody was given this token.
            DecisionSettled: there was an appeal already.
            WrongDecision: no text, or too much.
        """
        _check_text(text, "text")
        with self.database.writing() as connection:
            row = Appeal
            found = connection.execute(select(row).where(row.token == token_digest(token))).first()
            if found is None:
                raise UnknownDecision("this link is not known here", hint="Check that it is complete.")
            now, decision = self.clock(), self._load(connection, found.decision)
            if decision.state != IN_FORCE:
                raise DecisionSettled("this decision has been taken back already")
            mine = update(row).where(row.decision == found.decision, row.received.is_(None))
            if not connection.execute(mine.values(text=text, received=now)).rowcount:
                raise DecisionSettled("you have appealed already", hint="Somebody will look at it and answer you.")
            case = cases.load(connection, decision.case)
            due = self.policy.due(case.urgency, now)
            due = min(due, case.due) if case.open else due
            connection.execute(update(Case).where(Case.id == case.id).values(open=True, changed=now, due=due))
            entry = audit.Entry(event="appealed", by="person-concerned", case=case.id, decision=decision.id)
            audit.append(connection, now, entry)

    def answer_appeal(
        self, person: Person, decision: str, version: int, *, stands: bool, reasons: str, sure: bool = False
    ) -> DecisionRow:
        """Decide on an appeal: the decision stands, or it is proposed to undo it (as many people as it took).

        `sure` is as in `Proposal`.

        Raises:
            NotAllowed, UnknownDecision, StaleCase: as `second`.
            SamePerson: they proposed or settled the decision.
            DecisionSettled: there is no open appeal.
            WrongDecision: no reasons, or naming a reporter.
        """
        person.check(Permission.SETTLE)
        _check_text(reasons, "reasons")
        with self.database.writing() as connection:
            found = self._load(connection, decision)
            case = cases.load(connection, found.case)
            cases.change(connection, case.id, version, changed=self.clock())
            if found.took_part(person):
                raise SamePerson("you took part in this decision", hint="Somebody else looks at the appeal.")
            row, now = Appeal, self.clock()
            answered = update(row).where(row.decision == decision, row.received.is_not(None), row.answered.is_(None))
            values = {"answered": now, "answered_by": person.id, "stands": stands, "reasons": reasons}
            if found.state != IN_FORCE or not connection.execute(answered.values(**values)).rowcount:
                raise DecisionSettled("there is no open appeal against this decision")
            if _waiting(connection, case.id):
                raise DecisionSettled("something is proposed already", hint="Second it or refuse it first.")
            check_silence(connection, case.id, (reasons,), sure=sure)
            event = "appeal-refused" if stands else "appeal-granted"
            self._log(connection, event, person, case.id, decision, digest=_digest(reasons))
            outbox.answer_appeal(connection, found, case.about, stands=stands, reasons=reasons, now=now)
            if stands:
                self._reopen(connection, case.id)
                return found
            undo = Proposal(found.actions, found.rule, reasons)
            undoing = self._insert(connection, person, case.id, "undo", decision, undo, case.news)
            if not self.policy.needs_two(found.actions, case.urgency):
                self._undo(connection, person, self._load(connection, undoing), "undone")
            return self._load(connection, undoing)

    def lapse(self) -> int:
        """End what one person did at once and nobody confirmed in time; return how many decisions."""
        now = self.clock()
        due = select(Decision.id).where(Decision.state == IN_FORCE, Decision.lapses <= now)
        with self.database.reading() as connection:  # without a lock: mostly there is nothing to end
            if connection.scalar(due.limit(1)) is None:
                return 0
        with self.database.writing() as connection:
            ended = connection.scalars(due).all()
            for decision in ended:
                found = self._load(connection, decision)
                outbox.take_back(connection, found, cases.load(connection, found.case).about, now)
                self._set(connection, decision, state=LAPSED, settled=now, lapses=None)
                entry = audit.Entry(event="lapsed", by="service", case=found.case, decision=decision)
                audit.append(connection, now, entry)
        return len(ended)

    def of_case(self, case: int) -> Sequence[DecisionRow]:
        """Return what was proposed and decided in a case, oldest first."""
        with self.database.reading() as connection:
            rows = connection.execute(
                select(Decision).where(Decision.case == case).order_by(Decision.proposed, Decision.id)
            )
            return [read_row(row) for row in rows]

    def _check(self, proposal: Proposal) -> None:
        self.policy.check_choice(proposal.rule, proposal.actions)
        if bool(proposal.media) != (ActionKind.QUARANTINE_MEDIUM in proposal.actions):
            raise WrongDecision("choose which files are withdrawn, and that files are withdrawn")
        _check_text(proposal.reasons, "reasons")
        if len(proposal.answer) > TEXT:
            raise WrongDecision(f"the answer has more than {TEXT} characters")

    def _check_case(self, connection: Connection, case: int, proposal: Proposal) -> None:
        if proposal.media and not set(proposal.media) <= outbox.media_of(connection, case).keys():
            raise WrongDecision("only files that were proven to be sent by the person concerned can be withdrawn")
        mine = set(connection.scalars(select(Report.id).where(Report.case == case)))
        if not proposal.bad_faith <= mine:
            raise WrongDecision("a report that is said to be made in bad faith is not of this case")

    def _open(
        self, connection: Connection, person: Person, decision: str, version: int, *, own: bool = False
    ) -> DecisionRow:
        found = self._load(connection, decision)
        cases.change(connection, found.case, version, changed=self.clock())
        if not found.waiting:
            raise DecisionSettled("this is settled already")
        if found.proposed_by == person.id and not own:
            raise SamePerson("you have proposed this yourself", hint="A second person decides on it.")
        if found.of is not None and self._load(connection, found.of).state != IN_FORCE:
            raise DecisionSettled("what was to be undone is not in force any more")
        return found

    def _insert(
        self,
        connection: Connection,
        person: Person,
        case: int,
        kind: str,
        of: str | None,
        proposal: Proposal,
        seen: int,
    ) -> str:
        decision = self.random(16).hex()
        connection.execute(
            insert(Decision).values(
                id=decision,
                case=case,
                kind=kind,
                of=of,
                actions=" ".join(proposal.actions),
                rule=proposal.rule,
                reasons=proposal.reasons,
                answer=proposal.answer,
                bad_faith=" ".join(sorted(proposal.bad_faith)),
                media=" ".join(proposal.media),
                seen=seen,
                at_once=False,
                state=PROPOSED,
                proposed_by=person.id,
                proposed=self.clock(),
            )
        )
        return decision

    def _put_in_force(
        self, connection: Connection, person: Person, decision: str, about: str | None, event: str
    ) -> None:
        now = self.clock()
        alone = event == "decided"
        self._set(connection, decision, state=IN_FORCE, settled=now, settled_by=None if alone else person.id)
        found = self._load(connection, decision)
        self._supersede(connection, found, about)
        outbox.carry_out(connection, found, about, now)
        self._close(connection, found)
        self._log(connection, event, person, found.case, decision)

    def _supersede(self, connection: Connection, decision: DecisionRow, about: str | None) -> None:
        """What one person did at once does not lapse any more where two people have decided the same, or more."""
        if decision.settled_by is None or not _LASTING & set(decision.actions):
            return
        lapsing = (Decision.case == decision.case, Decision.state == IN_FORCE, Decision.lapses.is_not(None))
        confirmed = connection.scalars(select(Decision.id).where(*lapsing)).all()
        for earlier in confirmed:
            self._set(connection, earlier, lapses=None, settled_by=decision.settled_by, settled=decision.settled)
            outbox.confirm(connection, earlier, about, self.clock())
        if confirmed:
            entry = audit.Entry(event="confirmed-by", by="service", case=decision.case, decision=decision.id)
            audit.append(connection, self.clock(), entry)

    def _undo(self, connection: Connection, person: Person, undoing: DecisionRow, event: str) -> None:
        now = self.clock()
        undone = self._load(connection, undoing.of or "")
        if undone.state != IN_FORCE:
            raise DecisionSettled("what was to be undone is not in force any more")
        outbox.take_back(connection, undone, cases.load(connection, undone.case).about, now)
        self._set(connection, undone.id, state=UNDONE)
        settled_by = person.id if person.id != undoing.proposed_by else None
        self._set(connection, undoing.id, state=IN_FORCE, settled=now, settled_by=settled_by)
        reports = update(Report).where(Report.decision == undone.id)
        again = {"state": ReportState.IN_REVIEW, "outcome": None, "answer": "", "bad_faith": False, "decision": None}
        connection.execute(reports.values(updated=now, **again))
        self._reopen(connection, undone.case)
        self._log(connection, event, person, undone.case, undoing.id)

    def _close(self, connection: Connection, decision: DecisionRow) -> None:
        """What was seen is decided, and those who reported it are told. The case closes if there is nothing else."""
        now, row = self.clock(), Report
        # An addition gives its report a later number.
        decided = update(row).where(row.case == decision.case, row.news <= decision.seen)
        connection.execute(
            decided.where(row.state != ReportState.DECIDED).values(
                state=ReportState.DECIDED,
                outcome=outcome_of(decision.actions),
                answer=decision.answer,
                bad_faith=row.id.in_(decision.bad_faith),
                decision=decision.id,
                updated=now,
            )
        )
        self._reopen(connection, decision.case)

    def _reopen(self, connection: Connection, case: int) -> None:
        """A case is open as long as a report, a proposal or an appeal waits, or what one person did is unconfirmed."""
        waits = (
            select(Report.id).where(Report.case == case, Report.state != ReportState.DECIDED),
            select(Decision.id).where(Decision.case == case, Decision.state == PROPOSED),
            select(Decision.id).where(Decision.case == case, Decision.lapses.is_not(None)),
            select(Appeal.decision)
            .join(Decision, Decision.id == Appeal.decision)
            .where(Decision.case == case, Decision.state == IN_FORCE)
            .where(Appeal.received.is_not(None), Appeal.answered.is_(None)),
        )
        still = any(connection.execute(query.limit(1)).first() is not None for query in waits)
        connection.execute(update(Case).where(Case.id == case).values(open=still, changed=self.clock()))

    def _set(self, connection: Connection, decision: str, **values: object) -> None:
        connection.execute(update(Decision).where(Decision.id == decision).values(**values))

    def _load(self, connection: Connection, decision: str) -> DecisionRow:
        found = connection.execute(select(Decision).where(Decision.id == decision)).first()
        if found is None:
            raise UnknownDecision("there is no such decision")
        return read_row(found)

    def _log(
        self,
        connection: Connection,
        event: str,
        person: Person,
        case: int,
        decision: str,
        proposal: Proposal | None = None,
        digest: str | None = None,
    ) -> None:
        entry = audit.Entry(
            event=event,
            by=person.id,
            case=case,
            decision=decision,
            actions=tuple(proposal.actions) if proposal else (),
            rule=proposal.rule if proposal else None,
            digest=_digest(proposal.reasons) if proposal else digest,
        )
        audit.append(connection, self.clock(), entry)


def token_digest(token: str) -> str:
    """Return what is kept of an appeal's token."""
    return hashlib.sha256(b"tutela/appeal/1\x00" + token.encode()).hexdigest()


def outcome_of(actions: Collection[ActionKind]) -> ReportOutcome:
    """Return what reporters are told of a decision."""
    if ActionKind.DISCLOSE in actions:
        return ReportOutcome.PASSED_ON
    if ActionKind.MORE_NEEDED in actions:
        return ReportOutcome.MORE_NEEDED
    return ReportOutcome.NOT_AGAINST_RULES if ActionKind.NO_ACTION in actions else ReportOutcome.ACTED


def _waiting(connection: Connection, case: int) -> bool:
    found = select(Decision.id).where(Decision.case == case, Decision.state == PROPOSED).limit(1)
    return connection.scalar(found) is not None


def _check_text(text: str, name: str) -> None:
    if not text.strip():
        raise WrongDecision(f"the {name} are missing" if name == "reasons" else f"the {name} is missing")
    if len(text) > TEXT:
        raise WrongDecision(f"there are more than {TEXT} characters")


def _acted_at_once(connection: Connection, case: int, person: Person) -> bool:
    """Whether somebody has acted at once in a case before: a second time takes a second person."""
    found = select(Decision.id).where(Decision.case == case, Decision.at_once, Decision.proposed_by == person.id)
    return connection.scalar(found.limit(1)) is not None


def _granted(connection: Connection, decision: str) -> bool:
    """Whether an appeal against a decision was found right."""
    found = select(Appeal.decision).where(Appeal.decision == decision, Appeal.stands.is_(False))
    return connection.scalar(found) is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
