"""Who looks after a case. It keeps two people from doing one thing; it gives nobody a right."""

from __future__ import annotations

from dataclasses import dataclass

from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.review import audit, cases
from tutela.provider.review.people import Permission, Person


@dataclass(frozen=True)
class Assignments:
    """The assignments of one provider. Safe to share between threads and processes."""

    database: Database
    clock: Clock

    def take(self, person: Person, case: int, version: int) -> None:
        """Have `person` look after a case from now on, whoever did before. Those who reported see that somebody does.

        Raises:
            NotAllowed: this person takes none.
            UnknownCase, StaleCase: there is no such case, or it has changed (somebody else took it).
        """
        self._assign(person, case, version, person.id, "taken")

    def put_back(self, person: Person, case: int, version: int) -> None:
        """Leave a case to the others; raises as `take`."""
        self._assign(person, case, version, None, "put-back")

    def _assign(self, person: Person, case: int, version: int, assignee: str | None, event: str) -> None:
        person.check(Permission.PROPOSE)
        with self.database.writing() as connection:
            cases.load(connection, case)
            now = self.clock()
            cases.change(connection, case, version, assignee=assignee, assigned=now if assignee else None)
            audit.append(connection, now, audit.Entry(event=event, by=person.id, case=case))
