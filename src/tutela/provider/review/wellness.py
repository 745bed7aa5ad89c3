"""How much a reviewer looks at: counted, and ended in time. It protects the people who protect others.

What was reported is shown blurred. Each time somebody looks at a picture unblurred is a *view*, and counts with the
seconds that it lasted. The policy says how many views and seconds a day has, and after how many seconds there is a
break of some minutes. Reading goes on without limit: a text is not a picture.

Figures to begin with are a judgement, to be set with those concerned: studies of content moderators and of those who
investigate abuse (Steiger and others, *The Psychological Well-Being of Content Moderators*, CHI 2021; Karunakaran and
Ramakrishan, *Testing Stylistic Interventions to Reduce Emotional Impact of Content Moderation Workers*, HCOMP 2019)
find that grey and blurred pictures, less of them, and breaks help; none gives a safe dose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select, update

from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.errors import EnoughForNow
from tutela.provider.review.people import Permission, Person
from tutela.provider.review.policy import Wellness
from tutela.provider.review.tables import Exposure

_SECOND: Final = 1000
_MINUTE: Final = 60_000
_DAY: Final = 86_400_000
#: One view lasts so many seconds at most: the picture goes by itself then.
LONGEST: Final = 20
#: And counts so many at least, also where nobody says when it ended.
SHORTEST: Final = 1

_HAND_OVER: Final = "Hand the case over to a colleague: put it back into the queue. Nobody thinks less of you for it."


@dataclass(frozen=True)
class Shift:
    """How much somebody has looked at, and how much is left. Seconds, except `rests_until` (milliseconds)."""

    views: int
    seconds: int
    since_break: int
    views_left: int
    seconds_left: int
    until_break: int
    rests_until: int | None
    """When a break ends that somebody needs now."""

    @property
    def over(self) -> bool:
        """Whether that is enough for today."""
        return not (self.views_left and self.seconds_left)


@dataclass(frozen=True)
class Exposures:
    """Counts views. Safe to share between threads and processes."""

    database: Database
    clock: Clock
    rules: Wellness

    def shift(self, person: Person) -> Shift:
        """Return how much somebody has looked at today."""
        with self.database.reading() as connection:
            return self._shift(connection, person)

    def begin(self, person: Person, *, seconds: int = SHORTEST) -> Shift:
        """Count a view that begins now and lasts at least `seconds`; return what is left after it.

        Raises:
            NotAllowed: this person sees no cases.
            EnoughForNow: that was enough, for a while or for today. It says what to do, and when to come back.
        """
        person.check(Permission.SEE_CASE)
        with self.database.writing() as connection:
            before, now = self._shift(connection, person), self.clock()
            _check(before, now)
            self._keep(connection, person, before.views + 1, before.seconds + seconds, before.since_break + seconds)
            return self._shift(connection, person)

    def end(self, person: Person, seconds: float) -> None:
        """Count how long the last view lasted, as the page says, and never longer than it can have."""
        with self.database.writing() as connection:
            found = self._last(connection, person)
            if found is None:
                return
            lasted = min(seconds, (self.clock() - found.last) / _SECOND, LONGEST)
            more = max(0, round(lasted) - SHORTEST)
            before = self._shift(connection, person)
            self._keep(connection, person, before.views, before.seconds + more, before.since_break + more)

    def _last(self, connection: Connection, person: Person) -> Exposure | None:
        row = Exposure
        found: Exposure | None = connection.execute(  # type: ignore[assignment]
            select(row).where(row.staff == person.id).order_by(row.day.desc()).limit(1)
        ).first()
        return found

    def _shift(self, connection: Connection, person: Person) -> Shift:
        now, rules = self.clock(), self.rules
        found = self._last(connection, person)
        if found is None:
            return Shift(0, 0, 0, rules.views, rules.seconds, rules.seconds_until_break, None)
        today = found.day == now // _DAY
        views, seconds = (found.views, found.seconds) if today else (0, 0)
        rests_until = found.last + rules.break_minutes * _MINUTE
        rested = now >= rests_until
        # A break is time without looking: midnight is none.
        since_break = 0 if rested else found.since_break
        needs_rest = since_break >= rules.seconds_until_break
        return Shift(
            views=views,
            seconds=seconds,
            since_break=since_break,
            views_left=max(0, rules.views - views),
            seconds_left=max(0, rules.seconds - seconds),
            until_break=max(0, rules.seconds_until_break - since_break),
            rests_until=rests_until if needs_rest else None,
        )

    def _keep(self, connection: Connection, person: Person, views: int, seconds: int, since_break: int) -> None:
        row, now = Exposure, self.clock()
        day = now // _DAY
        values = {"views": views, "seconds": seconds, "since_break": since_break, "last": now}
        mine = update(row).where(row.staff == person.id, row.day == day)
        if not connection.execute(mine.values(values)).rowcount:
            connection.execute(insert(row).values(staff=person.id, day=day, **values))


def _check(shift: Shift, now: int) -> None:
    if shift.over:
        wait = (_DAY - now % _DAY) // _SECOND
        raise EnoughForNow("you have looked at enough for today", hint=_HAND_OVER, retry_after=wait)
    if shift.rests_until is not None:
        wait = max(1, -(-(shift.rests_until - now) // _SECOND))
        raise EnoughForNow("it is time for a break", hint=_HAND_OVER, retry_after=wait)
