"""Second looks: a share of the decided cases, and a golden set, decided again by people who do not know the answer.

A *sample* is a decided case that somebody who took no part in it decides a second time. An item of the *golden set* is
a decided case whose right answer an operator has written down; everybody is given each of them once. Nobody is told
which of both it is. Nothing follows for the case: what is measured (`agreement`) is the policy and the training, never
one reviewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

from tutela.matching.voprf import RandomBytes
from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.errors import DecisionSettled, UnknownSample
from tutela.provider.review import audit, cases
from tutela.provider.review.agreement import Agreement, agreement, by_rule
from tutela.provider.review.people import Permission, Person
from tutela.provider.review.policy import ActionKind, Policy
from tutela.provider.review.records import IN_FORCE
from tutela.provider.review.tables import Appeal, Case, Decision, Note, Sample

#: So many of the newest answers are measured.
MEASURED: Final = 10_000


@dataclass(frozen=True)
class Choice:
    """What somebody decides: by which rule, and what is done."""

    rule: str
    actions: tuple[ActionKind, ...]

    def encode(self) -> str:
        """Return it as it is kept: equal choices are equal texts."""
        return " ".join((self.rule, *sorted(self.actions)))

    @classmethod
    def decode(cls, text: str) -> Choice:
        """Read what `encode` wrote."""
        rule, *actions = text.split()
        return cls(rule, tuple(ActionKind(action) for action in actions))


@dataclass(frozen=True)
class SampleRow:
    """A case that somebody decides a second time. Times in milliseconds."""

    id: str
    case: int
    golden: bool
    expected: Choice
    reviewer: str | None
    given: Choice | None
    answered: int | None


@dataclass(frozen=True)
class Agreements:
    """How well decisions agree."""

    second: Agreement
    """The first decision and the second look at the same case."""
    golden: Agreement
    """The right answer and what somebody decided."""
    rules: dict[str, Agreement]
    """By rule, over both."""
    waiting: int
    """Second looks that were given out and not answered yet."""


@dataclass(frozen=True)
class Samples:
    """The second looks of one provider. Safe to share between threads and processes."""

    database: Database
    clock: Clock
    random: RandomBytes
    policy: Policy

    def offer(self, person: Person) -> SampleRow | None:
        """Return what `person` is to look at, the same until they have answered; `None` if there is nothing now.

        Raises:
            NotAllowed: this person decides no cases.
        """
        person.check(Permission.PROPOSE)
        with self.database.writing() as connection:
            mine = select(Sample).where(Sample.reviewer == person.id, Sample.answered.is_(None)).order_by(Sample.id)
            if (found := connection.execute(mine.limit(1)).first()) is not None:
                return _row(found)
            # In an order that tells nothing about which of both it is.
            ways = (self._draw, self._golden)
            for way in ways if self.random(1)[0] % 2 else reversed(ways):
                if (sample := way(connection, person)) is not None:
                    return self._load(connection, sample)
        return None

    def mine(self, person: Person, sample: str) -> SampleRow:
        """Return a second look that was given to `person`, answered or not.

        Raises:
            UnknownSample: there is none of this id, or it is somebody else's.
        """
        with self.database.reading() as connection:
            return self._mine(connection, person, sample)

    def of_case(self, person: Person, case: int) -> str | None:
        """Return the second look that `person` is to give a case now, if there is one."""
        row = Sample
        with self.database.reading() as connection:
            found = select(row.id).where(row.case == case, row.reviewer == person.id, row.answered.is_(None)).limit(1)
            return connection.scalar(found)

    def answer(self, person: Person, sample: str, choice: Choice) -> SampleRow:
        """Keep what `person` decides; once.

        Raises:
            UnknownSample: as `mine`.
            WrongDecision: not what the policy knows.
            DecisionSettled: it was answered already.
        """
        self.policy.check_choice(choice.rule, choice.actions)
        with self.database.writing() as connection:
            found, now, row = self._mine(connection, person, sample), self.clock(), Sample
            open_ = update(row).where(row.id == sample, row.answered.is_(None))
            if not connection.execute(open_.values(given=choice.encode(), answered=now)).rowcount:
                raise DecisionSettled("you have decided this already")
            audit.append(connection, now, audit.Entry(event="decided-again", by=person.id, case=found.case))
            return self._load(connection, sample)

    def mark_golden(self, case: int, expected: Choice) -> SampleRow:
        """Put a decided case into the golden set, with the right answer; again with another one replaces it.

        Raises:
            UnknownCase: there is no such case.
            DecisionSettled: it is not decided.
            WrongDecision: not what the policy knows.
        """
        self.policy.check_choice(expected.rule, expected.actions)
        row = Sample
        with self.database.writing() as connection:
            if cases.load(connection, case).open:
                raise DecisionSettled("this case is not decided", hint="Decide it first.")
            now = self.clock()
            item = and_(row.case == case, row.golden, row.reviewer.is_(None))
            if not connection.execute(update(row).where(item).values(expected=expected.encode())).rowcount:
                self._insert(connection, case, expected.encode(), golden=True, reviewer=None)
            audit.append(connection, now, audit.Entry(event="made-golden", by="operator", case=case))
            return _row(connection.execute(select(row).where(item)).one())

    def agreements(self) -> Agreements:
        """Return how well decisions agree, by the newest `MEASURED` answers."""
        row = Sample
        with self.database.reading() as connection:
            newest = select(row).where(row.answered.is_not(None)).order_by(row.answered.desc(), row.id).limit(MEASURED)
            found = [_row(answered) for answered in connection.execute(newest)]
            waiting = connection.scalar(select(func.count()).where(row.reviewer.is_not(None), row.answered.is_(None)))
        pairs = [(sample, sample.given) for sample in found if sample.given is not None]
        texts = [(sample.golden, (sample.expected.encode(), given.encode())) for sample, given in pairs]
        return Agreements(
            second=agreement([pair for golden, pair in texts if not golden]),
            golden=agreement([pair for golden, pair in texts if golden]),
            rules=by_rule((sample.expected.rule, given.rule) for sample, given in pairs),
            waiting=waiting or 0,
        )

    def _draw(self, connection: Connection, person: Person) -> str | None:
        """Draw a decided case at random, while fewer than the policy's share have been drawn."""
        row = Decision
        decided = and_(row.kind == "act", row.state == IN_FORCE, ~Case.open)
        joined = select(row.id, row.case, row.rule, row.actions).join(Case, Case.id == row.case).where(decided)
        many = connection.scalar(select(func.count(row.case.distinct())).join(Case, Case.id == row.case).where(decided))
        drawn = connection.scalar(select(func.count()).where(~Sample.golden)) or 0
        if drawn >= self.policy.sampling.share * (many or 0):
            return None
        sampled = select(Sample.id).where(Sample.case == row.case).exists()
        fresh = joined.where(~sampled, ~_took_part(person)).order_by(row.id).limit(1)
        # Decisions have random ids: the first one from a random place on is drawn at random.
        place = self.random(16).hex()
        for side in (row.id >= place, row.id < place):
            if (found := connection.execute(fresh.where(side)).first()) is not None:
                actions = tuple(ActionKind(name) for name in found.actions.split())
                expected = Choice(found.rule, actions).encode()
                return self._insert(connection, found.case, expected, golden=False, reviewer=person.id)
        return None

    def _golden(self, connection: Connection, person: Person) -> str | None:
        """Give out an item of the golden set that this person has not had."""
        row = Sample
        had = select(row.case).where(row.golden, row.reviewer == person.id)
        took_part = select(Decision.id).where(Decision.case == row.case, _decided(person)).exists()
        items = select(row).where(row.golden, row.reviewer.is_(None), row.case.not_in(had), ~took_part)
        place = self.random(16).hex()
        for side in (row.id >= place, row.id < place):
            if (found := connection.execute(items.where(side).order_by(row.id).limit(1)).first()) is not None:
                return self._insert(connection, found.case, found.expected, golden=True, reviewer=person.id)
        return None

    def _insert(self, connection: Connection, case: int, expected: str, *, golden: bool, reviewer: str | None) -> str:
        sample = self.random(16).hex()
        values = {"id": sample, "case": case, "golden": golden, "expected": expected, "reviewer": reviewer}
        connection.execute(insert(Sample).values(drawn=self.clock(), given=None, answered=None, **values))
        return sample

    def _load(self, connection: Connection, sample: str) -> SampleRow:
        return _row(connection.execute(select(Sample).where(Sample.id == sample)).one())

    def _mine(self, connection: Connection, person: Person, sample: str) -> SampleRow:
        found = connection.execute(select(Sample).where(Sample.id == sample, Sample.reviewer == person.id)).first()
        if found is None:
            raise UnknownSample("there is no such second look for you")
        return _row(found)


def _decided(person: Person) -> ColumnElement[bool]:
    return or_(Decision.proposed_by == person.id, Decision.settled_by == person.id)


def _took_part(person: Person) -> ColumnElement[bool]:
    """Whether somebody has had to do with the case of a decision, in any way that is known."""
    another = Decision.__table__.alias("another")
    decided = select(another.c.id).where(
        another.c.case == Decision.case, or_(another.c.proposed_by == person.id, another.c.settled_by == person.id)
    )
    appeals = select(Appeal.decision).where(Appeal.decision == Decision.id, Appeal.answered_by == person.id)
    notes = select(Note.id).where(Note.case == Decision.case, Note.by == person.id)
    return or_(Case.assignee.is_not_distinct_from(person.id), decided.exists(), appeals.exists(), notes.exists())


def _row(found: Row[Any]) -> SampleRow:
    return SampleRow(
        id=found.id,
        case=found.case,
        golden=found.golden,
        expected=Choice.decode(found.expected),
        reviewer=found.reviewer,
        given=None if found.given is None else Choice.decode(found.given),
        answered=found.answered,
    )
