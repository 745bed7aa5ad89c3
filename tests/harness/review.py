"""A case and everybody around it: reviewers, a homeserver that does as it is told, and what is decided."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from sqlalchemy import insert, select

from harness.provider import Stage
from harness.reports import MIA, message, report
from tutela.errors import TutelaError
from tutela.provider.review import audit, cases, outbox
from tutela.provider.review.acting import PendingAction, Worker
from tutela.provider.review.decisions import Decisions, Proposal
from tutela.provider.review.people import Person, Role
from tutela.provider.review.policy import ActionKind
from tutela.provider.review.records import DecisionRow
from tutela.provider.review.tables import Action, Staff
from tutela.wire.document import encode
from tutela.wire.report import Report

ADA = Person("ada", "Ada", Role.REVIEWER, "Home")
BOB = Person("bob", "Bob", Role.REVIEWER, "Home")
PAT = Person("pat", "Pat", Role.PARTNER, "Elsewhere")
ADMIN = Person("root", "Root", Role.ADMIN, "Home")
AUDITOR = Person("aud", "Aud", Role.AUDITOR, "Press")

WARN = Proposal((ActionKind.WARN,), "unwanted-contact", "You pressed a child for secrets.", "Thank you.")
SUSPEND = Proposal((ActionKind.SUSPEND,), "asking-a-child-for-pictures", "You asked a child for pictures.", "Thanks.")
LOCK = Proposal((ActionKind.LOCK,), "threats-and-extortion", "You threatened somebody.")
NOTHING = Proposal((ActionKind.NO_ACTION,), "no-breach", "Nothing here breaks a rule.", "We have looked at it.")


@dataclass
class FakeHomeserver:
    """What was done at the homeserver, and how it fails."""

    done: list[PendingAction] = field(default_factory=list)
    fail: TutelaError | None = None
    failing: dict[str, BaseException] = field(default_factory=dict)
    """By kind of action: how that one fails."""

    async def perform(self, action: PendingAction) -> None:
        if (error := self.fail or self.failing.get(action.kind)) is not None:
            raise error
        self.done.append(action)

    @property
    def kinds(self) -> list[str]:
        return [action.kind for action in self.done]


class Review:
    """A case, and everybody around it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        numbers = itertools.count(1)
        self.decisions = Decisions(
            stage.provider.database,
            stage.clock,
            lambda size: next(numbers).to_bytes(size, "big"),
            stage.provider.reports.policy,
        )
        self.homeserver = FakeHomeserver()
        self.worker = Worker(
            stage.provider.database,
            stage.clock,
            stage.provider.reports.policy,
            self.decisions,
            self.homeserver,
            "https://safety.example/appeal/",
            bytes(32),
        )
        self._reports = itertools.count(1)

    def report(self, *, account: str = MIA, **values: object) -> Report:
        sent = report(*values.pop("evidence", (message(1),)), number=next(self._reports), **values)  # type: ignore[misc]
        self.stage.provider.reports.take(account, encode(sent))
        return sent

    def hire(self, *people: Person) -> None:
        """Have people among the staff, where it matters that they are."""
        with self.stage.provider.database.writing() as connection:
            for one in people:
                values = {"id": one.id, "name": one.name, "role": one.role, "organisation": one.organisation}
                connection.execute(insert(Staff).values(created=self.stage.clock(), **values))

    def case(self, number: int = 1) -> cases.CaseRow:
        with self.stage.provider.database.reading() as connection:
            return cases.load(connection, number)

    def propose(self, proposal: Proposal, person: Person = ADA, case: int = 1) -> DecisionRow:
        return self.decisions.propose(person, case, self.case(case).version, proposal)

    def second(self, decision: DecisionRow, person: Person = BOB) -> DecisionRow:
        return self.decisions.second(person, decision.id, self.case(decision.case).version)

    def undo(self, decision: DecisionRow, person: Person = ADA) -> DecisionRow:
        return self.decisions.undo(person, decision.id, self.case(decision.case).version, "That was wrong.")

    def state(self, decision: DecisionRow) -> str:
        return next(d.state for d in self.decisions.of_case(decision.case) if d.id == decision.id)

    async def work(self) -> list[str]:
        """Carry out all that is due; return what was done."""
        before = len(self.homeserver.done)
        while await self.worker.run_once():
            pass
        return self.homeserver.kinds[before:]

    def waiting(self) -> list[str]:
        with self.stage.provider.database.reading() as connection:
            row = Action
            return list(connection.scalars(select(row.kind).where(row.state == outbox.WAITING).order_by(row.position)))

    def events(self) -> list[str]:
        with self.stage.provider.database.reading() as connection:
            return [logged.entry.event for logged in audit.of_case(connection, 1)]
