"""The queue as its page shows it: which cases, in which order, how many there are, and what each waits for."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.reports.tables import Report
from tutela.provider.review import cases
from tutela.provider.review.cases import CaseRow
from tutela.provider.review.people import Permission, Person
from tutela.provider.review.policy import Urgency
from tutela.provider.review.records import IN_FORCE, PROPOSED
from tutela.provider.review.tables import Appeal, Case, Decision

#: Found by what somebody types.
FOUND: Final = 50

Place: TypeAlias = tuple[int, bool, int, int]
"""Where a case stands in the queue (`CaseRow.place`)."""


class Show(enum.StrEnum):
    """Which of the open cases."""

    ALL = "all"
    MINE = "mine"
    UNTAKEN = "untaken"
    SECOND = "second"
    """Something is proposed by another, and a second person is to decide on it."""
    APPEALED = "appealed"
    """Somebody appeals against a decision in which this person took no part."""
    OVERDUE = "overdue"


class Waits(enum.StrEnum):
    """What a case waits for, beside being looked at."""

    SECOND = "second"
    APPEAL = "appeal"


@dataclass(frozen=True)
class Lane:
    """How many open cases of one urgency there are, and how many of them should have been decided by now."""

    urgency: Urgency
    cases: int
    overdue: int


@dataclass(frozen=True)
class Queue:
    """One page of the queue, at the moment `now` (milliseconds)."""

    now: int
    lanes: Sequence[Lane]
    rows: Sequence[CaseRow]
    waits: dict[int, Waits]
    """By case."""
    onwards: Place | None
    """Where the next page begins; `None` on the last."""


@dataclass(frozen=True)
class Lanes:
    """Reads the queue. Safe to share between threads."""

    database: Database
    clock: Clock

    def queue(
        self,
        person: Person,
        *,
        show: Show = Show.ALL,
        urgency: Urgency | None = None,
        after: Place | None = None,
        limit: int = cases.PAGE,
    ) -> Queue:
        """Return a page of the open cases, from behind the place `after`.

        Raises:
            NotAllowed: this person does not see the queue.
        """
        person.check(Permission.SEE_QUEUE)
        now = self.clock()
        narrowed = [self._where(show, person, now)]
        if urgency is not None:
            narrowed.append(Case.urgency == urgency)
        with self.database.reading() as connection:
            found = cases.queue(connection, after=after, where=and_(*narrowed), limit=limit + 1)
            rows = found[:limit]
            return Queue(
                now=now,
                lanes=_lanes(connection, now),
                rows=rows,
                waits=_waits(connection, [row.id for row in rows]),
                onwards=rows[-1].place if len(found) > limit else None,
            )

    def waiting(self, person: Person, *, after: Place | None = None, limit: int = cases.PAGE) -> Queue:
        """Return the open cases that wait for just this person: to second or refuse, or to answer an appeal.

        Raises:
            NotAllowed: this person settles nothing.
        """
        person.check(Permission.SETTLE)
        with self.database.reading() as connection:
            here = or_(Case.id.in_(_proposed(person)), Case.id.in_(_appealed(person)))
            found = cases.queue(connection, after=after, where=here, limit=limit + 1)
            rows = found[:limit]
            waits = _waits(connection, [row.id for row in rows])
            return Queue(self.clock(), (), rows, waits, rows[-1].place if len(found) > limit else None)

    def find(self, person: Person, words: str) -> Sequence[CaseRow]:
        """Return the cases, open or not, that `words` name: an account, a report's reference, or a case's number.

        Raises:
            NotAllowed: this person does not see the queue.
        """
        person.check(Permission.SEE_QUEUE)
        words = words.strip()
        named = [Case.about == words, Case.id.in_(select(Report.case).where(Report.reference == words.upper()))]
        if re.fullmatch(r"#?[0-9]{1,15}", words):
            named.append(Case.id == int(words.removeprefix("#")))
        with self.database.reading() as connection:
            found = connection.scalars(select(Case.id).where(or_(*named)).order_by(Case.id.desc()).limit(FOUND)).all()
            return sorted(cases.several(connection, found), key=lambda row: -row.id)

    def _where(self, show: Show, person: Person, now: int) -> ColumnElement[bool]:
        match show:
            case Show.ALL:
                return and_(Case.open)
            case Show.MINE:
                return Case.assignee == person.id
            case Show.UNTAKEN:
                return Case.assignee.is_(None)
            case Show.SECOND:
                return Case.id.in_(_proposed(person))
            case Show.APPEALED:
                return Case.id.in_(_appealed(person))
            case Show.OVERDUE:
                return Case.due <= now


def _waiting() -> ColumnElement[bool]:
    return or_(Decision.state == PROPOSED, and_(Decision.state == IN_FORCE, Decision.lapses.is_not(None)))


def _proposed(person: Person) -> Select[Any]:
    return select(Decision.case).where(_waiting(), Decision.proposed_by != person.id)


def _appealed(person: Person) -> Select[Any]:
    not_settled = or_(Decision.settled_by.is_(None), Decision.settled_by != person.id)
    return _appeals().where(Decision.proposed_by != person.id, not_settled)


def _appeals() -> Select[Any]:
    # Nearly all decisions are in force: SQLite must begin with the appeals, not with the index of states.
    in_force = func.coalesce(Decision.state, "") == IN_FORCE
    return (
        select(Decision.case)
        .join(Appeal, Appeal.decision == Decision.id)
        .where(Appeal.answered.is_(None), Appeal.received.is_not(None), in_force)
    )


def _lanes(connection: Connection, now: int) -> Sequence[Lane]:
    # Each number is a range of the queue's index; one statement for all would look at every case in it by itself.
    def count(urgency: Urgency, *where: ColumnElement[bool]) -> int:
        return connection.scalar(select(func.count()).where(Case.open, Case.urgency == urgency, *where)) or 0

    def late(urgency: Urgency) -> int:
        return sum(count(urgency, Case.damped.is_(damped), Case.due <= now) for damped in (False, True))

    return [Lane(urgency, count(urgency), late(urgency)) for urgency in Urgency]


def _waits(connection: Connection, ids: Sequence[int]) -> dict[int, Waits]:
    of_page = Decision.case.in_(ids)
    appeals = connection.scalars(_appeals().where(of_page))
    state = func.coalesce(Decision.state, "")  # again: these few cases, and not all that is in force
    lapses = and_(state == IN_FORCE, Decision.lapses.is_not(None))
    second = connection.scalars(select(Decision.case).where(of_page, or_(state == PROPOSED, lapses)))
    return dict.fromkeys(appeals, Waits.APPEAL) | dict.fromkeys(second, Waits.SECOND)
