"""Notes: what reviewers write for each other. Nobody outside of review ever reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select

from tutela.matching.voprf import RandomBytes
from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.errors import WrongNote
from tutela.provider.review import audit, cases
from tutela.provider.review.people import Permission, Person
from tutela.provider.review.tables import Note

#: In characters.
TEXT: Final = 4000


@dataclass(frozen=True)
class NoteRow:
    """A note. `written` in milliseconds."""

    id: str
    case: int
    by: str
    written: int
    text: str


@dataclass(frozen=True)
class Notes:
    """The notes of one provider. Safe to share between threads and processes."""

    database: Database
    clock: Clock
    random: RandomBytes

    def write(self, person: Person, case: int, text: str) -> NoteRow:
        """Add a note to a case. The audit log holds its digest. The case's version stays: nobody need begin anew.

        Raises:
            NotAllowed: this person writes none.
            WrongNote: no words, or more than `TEXT` characters.
            UnknownCase: there is no such case.
        """
        person.check(Permission.WRITE_NOTES)
        if not text.strip():
            raise WrongNote("the note is empty")
        if len(text) > TEXT:
            raise WrongNote(f"the note has more than {TEXT} characters")
        with self.database.writing() as connection:
            cases.load(connection, case)
            note = NoteRow(self.random(16).hex(), case, person.id, self.clock(), text)
            values = {"id": note.id, "case": case, "by": note.by, "written": note.written, "text": text}
            connection.execute(insert(Note).values(values))
            digest = hashlib.sha256(text.encode()).hexdigest()
            audit.append(connection, note.written, audit.Entry(event="noted", by=person.id, case=case, digest=digest))
        return note


def of_case(connection: Connection, case: int) -> Sequence[NoteRow]:
    """Return a case's notes, oldest first."""
    rows = connection.execute(select(Note).where(Note.case == case).order_by(Note.written, Note.id))
    return [NoteRow(row.id, row.case, row.by, row.written, row.text) for row in rows]
