"""Cases: how reports come together, and in which order they are looked at.

All reports about one account are one case while it is open. So a hundred reports about somebody are one thing to
decide, and their number does not make it more urgent: a crowd cannot push somebody to the front.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, or_, select, update

from tutela.provider.errors import StaleCase, UnknownCase
from tutela.provider.review.numbers import next_number
from tutela.provider.review.policy import Policy, Urgency
from tutela.provider.review.tables import Case

#: Cases on one page of the queue.
PAGE: Final = 50


@dataclass(frozen=True)
class CaseRow:
    """A case as the queue shows it. Times in milliseconds."""

    id: int
    about: str | None
    open: bool
    urgency: Urgency
    damped: bool
    opened: int
    due: int
    changed: int
    reports: int
    reporters: int
    news: int
    assignee: str | None
    assigned: int | None
    version: int

    @property
    def place(self) -> tuple[int, bool, int, int]:
        """Where it stands in the queue: what `queue` takes as `after`."""
        return (self.urgency, self.damped, self.due, self.id)


def enter(
    connection: Connection,
    *,
    about: str | None,
    urgency: Urgency,
    damped: bool,
    known_reporter: int | None,
    now: int,
    policy: Policy,
) -> tuple[int, int]:
    """Put a report into the open case about the same account, or into a new one; return the case's id and its news.

    `known_reporter` is the case in which this reporter has reported before, if there is one. Taking a number first
    keeps two reports from opening two cases.
    """
    number = next_number(connection, "report")
    found = open_about(connection, about)
    if found is None:
        values = {"about": about, "open": True, "urgency": urgency, "damped": damped, "opened": now, "news": 1}
        values |= {"due": policy.due(urgency, now), "changed": now, "reports": 1, "reporters": 1, "version": 1}
        connection.execute(insert(Case).values(id=number, **values))
        return number, 1
    news = more(connection, found, urgency=urgency, damped=damped, now=now, policy=policy)
    counted = {"reports": found.reports + 1, "reporters": found.reporters + (known_reporter != found.id)}
    connection.execute(update(Case).where(Case.id == found.id).values(**counted))
    return found.id, news


def more(connection: Connection, case: CaseRow, *, urgency: Urgency, damped: bool, now: int, policy: Policy) -> int:
    """Something came in about a case, which is open from now on; return its number among the case's news.

    Nothing in it makes the case less urgent, or due later. The version stays: who is about to decide need not begin
    anew, for what they have not seen is not decided.
    """
    due = policy.due(urgency, now)
    values = {
        "open": True,
        "urgency": min(case.urgency, urgency),
        "damped": case.damped and damped if case.open else damped,
        "due": min(case.due, due) if case.open else due,
        "changed": now,
        "news": case.news + 1,
    }
    connection.execute(update(Case).where(Case.id == case.id).values(**values))
    return case.news + 1


def open_about(connection: Connection, about: str | None) -> CaseRow | None:
    """Return the open case about an account, if there is one."""
    if about is None:
        return None
    found = connection.execute(select(Case).where(Case.about == about, Case.open).order_by(Case.id)).first()
    return _row(found) if found is not None else None


def load(connection: Connection, case: int) -> CaseRow:
    """Return a case.

    Raises:
        UnknownCase: there is none of this id.
    """
    found = connection.execute(select(Case).where(Case.id == case)).first()
    if found is None:
        raise UnknownCase(f"there is no case {case}")
    return _row(found)


def several(connection: Connection, ids: Collection[int]) -> Sequence[CaseRow]:
    """Return the cases of these ids, in no order."""
    return [_row(found) for found in connection.execute(select(Case).where(Case.id.in_(ids)))]


def change(connection: Connection, case: int, version: int, **values: object) -> None:
    """Change a case as somebody saw it in `version`; the version counts on.

    Raises:
        StaleCase: somebody else has changed it since.
    """
    changed = update(Case).where(Case.id == case, Case.version == version).values(version=version + 1, **values)
    if not connection.execute(changed).rowcount:
        raise StaleCase(
            f"case {case} has been changed by somebody else meanwhile",
            hint="Look at it again: what you wrote has not been lost.",
        )


def queue(
    connection: Connection,
    *,
    after: tuple[int, bool, int, int] | None = None,
    where: ColumnElement[bool] | None = None,
    limit: int = PAGE,
) -> Sequence[CaseRow]:
    """Return open cases in the order in which they should be looked at, from behind the place `after`.

    `where` narrows them, by the columns of `Case`.
    """
    order = (Case.urgency, Case.damped, Case.due, Case.id)
    query = select(Case).where(Case.open)
    if where is not None:
        query = query.where(where)
    if after is not None:
        query = query.where(_behind(after))
    return [_row(found) for found in connection.execute(query.order_by(*order).limit(limit))]


def _behind(place: tuple[int, bool, int, int]) -> ColumnElement[bool]:
    urgency, damped, due, number = place
    # Spelled out: SQLite and PostgreSQL compare rows of mixed types differently.
    later = and_(Case.due == due, Case.id > number)
    same_urgency = or_(
        and_(Case.damped == damped, or_(Case.due > due, later)),
        *([] if damped else [Case.damped]),
    )
    return or_(Case.urgency > urgency, and_(Case.urgency == urgency, same_urgency))


def _row(found: Row[Any]) -> CaseRow:
    values = dict(found._mapping)
    return CaseRow(**values | {"urgency": Urgency(values["urgency"])})
