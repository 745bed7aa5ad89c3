"""Those who review: who they are, their passkeys and their sessions.

There are no passwords. Somebody is invited with a one-time link, makes a passkey with it, and signs in with that from
then on. What harms somebody is confirmed with the passkey again, for just that act: so a stolen session can look, and
cannot act. Whether an authenticator's answer is right is for the console to verify; here are the facts it rests on.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from tutela.matching.voprf import RandomBytes
from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.errors import InvitationSpent, LastAdmin, NotSignedIn, PasskeyRefused, UnknownPerson
from tutela.provider.review import audit
from tutela.provider.review.people import READERS, Permission, Person, Role
from tutela.provider.review.tables import Challenge, Invitation, Passkey, Staff, StaffSession

#: All in milliseconds.
INVITATION: Final = 72 * 3_600_000
IDLE: Final = 30 * 60_000
SHIFT: Final = 12 * 3_600_000
CHALLENGE: Final = 5 * 60_000
#: How exactly it is known when somebody was last there.
_SEEN: Final = 60_000
#: Challenges that may wait at once: whoever asks for more without answering is not a person.
_CHALLENGES: Final = 10_000
_NAME: Final = 120


@dataclass(frozen=True)
class Member:
    """A person as an admin sees them. Times in milliseconds."""

    person: Person
    created: int
    dismissed: int | None
    passkeys: int


@dataclass(frozen=True)
class KnownPasskey:
    """A passkey as it was registered."""

    id: str
    staff: str
    public_key: bytes
    sign_count: int


def somebody_reads(connection: Connection) -> bool:
    """Whether anybody on the staff can come in and decide: without them no time may be promised to a reporter."""
    reader = select(Passkey.id).join(Staff, Staff.id == Passkey.staff)
    here = reader.where(Staff.role.in_(READERS), Staff.dismissed.is_(None))
    return connection.execute(here.limit(1)).first() is not None


@dataclass(frozen=True)
class StaffStore:
    """The staff of one provider. Safe to share between threads and processes."""

    database: Database
    clock: Clock
    random: RandomBytes

    # Who there is

    def invite(self, name: str, role: Role, organisation: str, *, by: Person | None) -> tuple[Person, str]:
        """Add somebody; return them and the secret of a one-time link. `by` is `None` at the operator's terminal.

        Raises:
            NotAllowed: whoever invites is no admin.
            UnknownPerson: the name or the organisation is empty or too long.
        """
        if by is not None:
            by.check(Permission.MANAGE_STAFF)
        for text in (name, organisation):
            if not text.strip() or len(text) > _NAME or not text.isprintable():
                raise UnknownPerson(f"a name has between 1 and {_NAME} characters")
        person = Person(self.random(8).hex(), name.strip(), role, organisation.strip())
        with self.database.writing() as connection:
            now = self.clock()
            values = {"id": person.id, "name": person.name, "role": role, "organisation": person.organisation}
            connection.execute(insert(Staff).values(created=now, **values))
            secret = self._invitation(connection, person.id, now)
            self._log(connection, now, "invited", by, person)
        return person, secret

    def invite_again(self, staff: str, *, by: Person | None) -> str:
        """Return a new one-time link's secret for somebody who lost their passkey; all they had before ends.

        Raises:
            NotAllowed: whoever invites is no admin.
            UnknownPerson: there is nobody of this id, or not any more.
        """
        if by is not None:
            by.check(Permission.MANAGE_STAFF)
        with self.database.writing() as connection:
            person, now = self._present(connection, staff), self.clock()
            self._end(connection, staff)
            secret = self._invitation(connection, staff, now)
            self._log(connection, now, "invited-again", by, person)
        return secret

    def dismiss(self, staff: str, *, by: Person | None) -> None:
        """End somebody's access at once. What they did stays theirs in the record. `by` is as in `invite`.

        Raises:
            NotAllowed, UnknownPerson: as `invite_again`.
            LastAdmin: nobody would be left to invite anybody.
        """
        if by is not None:
            by.check(Permission.MANAGE_STAFF)
        with self.database.writing() as connection:
            person, now = self._present(connection, staff), self.clock()
            admins = connection.scalars(select(Staff.id).where(Staff.role == Role.ADMIN, Staff.dismissed.is_(None)))
            if admins.all() == [staff]:
                raise LastAdmin("this is the last admin", hint="Invite another one first.")
            self._end(connection, staff)
            connection.execute(update(Staff).where(Staff.id == staff).values(dismissed=now))
            self._log(connection, now, "dismissed", by, person)

    def members(self) -> Sequence[Member]:
        """Return everybody, those who left included, by name."""
        with self.database.reading() as connection:
            keys = connection.scalars(select(Passkey.staff)).all()
            rows = connection.execute(select(Staff).order_by(Staff.dismissed.is_not(None), Staff.name, Staff.id)).all()
        return [
            Member(
                Person(row.id, row.name, Role(row.role), row.organisation),
                row.created,
                row.dismissed,
                keys.count(row.id),
            )
            for row in rows
        ]

    def names(self) -> dict[str, str]:
        """Return everybody's name by id."""
        with self.database.reading() as connection:
            return {row.id: row.name for row in connection.execute(select(Staff.id, Staff.name))}

    # Passkeys

    def invited(self, secret: str) -> Person:
        """Return who was invited with this link.

        Raises:
            InvitationSpent: nobody, any more.
        """
        with self.database.reading() as connection:
            return self._invited(connection, secret)

    def challenge(self, purpose: str) -> bytes:
        """Return 32 fresh random bytes for an authenticator to sign, good once and soon, for `purpose` alone."""
        challenge = self.random(32)
        with self.database.writing() as connection:
            now = self.clock()
            connection.execute(delete(Challenge).where(Challenge.expires <= now))
            waiting = connection.scalars(select(Challenge.digest).limit(_CHALLENGES)).all()
            if len(waiting) == _CHALLENGES:
                raise PasskeyRefused("too many are signing in at once", hint="Wait a few minutes.", retry_after=300)
            values = {"digest": _digest("challenge", challenge.hex()), "purpose": purpose, "expires": now + CHALLENGE}
            connection.execute(insert(Challenge).values(**values))
        return challenge

    def spend(self, challenge: bytes, purpose: str) -> None:
        """Take a challenge back: it was signed, or it was not good.

        Raises:
            PasskeyRefused: it was never given for this purpose, or used, or too long ago.
        """
        row = Challenge
        with self.database.writing() as connection:
            mine = row.digest == _digest("challenge", challenge.hex())
            found = connection.execute(select(row).where(mine)).first()
            connection.execute(delete(row).where(mine))
        if found is None or found.purpose != purpose or found.expires <= self.clock():
            raise PasskeyRefused("this took too long, or was answered before", hint="Try again.")

    def register(self, secret: str, passkey: str, public_key: bytes, sign_count: int) -> Person:
        """Keep the passkey of whoever was invited; the link is spent.

        Raises:
            InvitationSpent: nobody was invited with this link, any more.
            PasskeyRefused: the passkey is somebody's already.
        """
        with self.database.writing() as connection:
            person, now = self._invited(connection, secret), self.clock()
            connection.execute(delete(Invitation).where(Invitation.digest == _digest("invitation", secret)))
            if connection.scalar(select(Passkey.id).where(Passkey.id == passkey)) is not None:
                raise PasskeyRefused("this passkey is known already", hint="Make a new one.")
            values = {"id": passkey, "staff": person.id, "public_key": public_key, "sign_count": sign_count}
            connection.execute(insert(Passkey).values(created=now, used=now, **values))
            self._log(connection, now, "passkey-made", person, person)
        return person

    def passkey(self, passkey: str) -> KnownPasskey:
        """Return what is known of a passkey.

        Raises:
            PasskeyRefused: nothing.
        """
        with self.database.reading() as connection:
            found = connection.execute(select(Passkey).where(Passkey.id == passkey)).first()
        if found is None:
            raise PasskeyRefused("this passkey is not known here", hint="Ask an admin for a new invitation.")
        return KnownPasskey(found.id, found.staff, found.public_key, found.sign_count)

    def passkeys_of(self, staff: str) -> Sequence[str]:
        """Return the ids of somebody's passkeys."""
        with self.database.reading() as connection:
            return connection.scalars(select(Passkey.id).where(Passkey.staff == staff).order_by(Passkey.id)).all()

    def used(self, passkey: KnownPasskey, sign_count: int) -> None:
        """Note that a passkey was used, and how often its authenticator says that it was.

        Raises:
            PasskeyRefused: somebody else used it at the same moment (or a copy of it).
        """
        with self.database.writing() as connection:
            row = Passkey
            mine = update(row).where(row.id == passkey.id, row.sign_count == passkey.sign_count)
            if not connection.execute(mine.values(sign_count=sign_count, used=self.clock())).rowcount:
                raise PasskeyRefused("this passkey was used by somebody else meanwhile", hint="Try again.")

    def suspect(self, passkey: KnownPasskey) -> None:
        """Log that a passkey answered whose count went backwards: there may be a copy of it."""
        with self.database.writing() as connection:
            person = self._present(connection, passkey.staff)
            self._log(connection, self.clock(), "passkey-suspected", person, person)

    # Sessions

    def sign_in(self, staff: str) -> str:
        """Begin a session for somebody whose passkey was verified; return its secret.

        Raises:
            NotSignedIn: they are not here any more.
        """
        secret = base64.urlsafe_b64encode(self.random(32)).rstrip(b"=").decode()
        with self.database.writing() as connection:
            now = self.clock()
            person = self._still_here(connection, staff)
            connection.execute(delete(StaffSession).where(StaffSession.created <= now - SHIFT))
            values = {"digest": _digest("session", secret), "staff": staff, "created": now, "seen": now}
            connection.execute(insert(StaffSession).values(**values))
            self._log(connection, now, "signed-in", person, person)
        return secret

    def signed_in(self, secret: str) -> Person:
        """Return whose session this is.

        Raises:
            NotSignedIn: nobody's, or it was idle for too long, or it is over.
        """
        row, now = StaffSession, self.clock()
        mine = row.digest == _digest("session", secret)
        with self.database.reading() as connection:
            found = connection.execute(select(row).where(mine)).first()
            if found is None or now - found.seen >= IDLE or now - found.created >= SHIFT:
                raise NotSignedIn("you are not signed in any more", hint="Sign in again: nothing is lost.")
            person = self._still_here(connection, found.staff)
        if now - found.seen >= _SEEN:
            with self.database.writing() as connection:
                connection.execute(update(row).where(mine, row.seen < now).values(seen=now))
        return person

    def sign_out(self, secret: str) -> None:
        """End a session."""
        with self.database.writing() as connection:
            connection.execute(delete(StaffSession).where(StaffSession.digest == _digest("session", secret)))

    def _invitation(self, connection: Connection, staff: str, now: int) -> str:
        secret = base64.urlsafe_b64encode(self.random(24)).decode()
        digest = _digest("invitation", secret)
        connection.execute(insert(Invitation).values(digest=digest, staff=staff, expires=now + INVITATION))
        return secret

    def _invited(self, connection: Connection, secret: str) -> Person:
        row = Invitation
        found = connection.execute(select(row).where(row.digest == _digest("invitation", secret))).first()
        if found is None or found.expires <= self.clock():
            raise InvitationSpent("this link was used before, or is too old", hint="Ask an admin for a new one.")
        return self._present(connection, found.staff)

    def _present(self, connection: Connection, staff: str) -> Person:
        found = connection.execute(select(Staff).where(Staff.id == staff, Staff.dismissed.is_(None))).first()
        if found is None:
            raise UnknownPerson(
                "there is nobody of this id", hint="`tutela staff list` shows everybody with their ids."
            )
        return Person(found.id, found.name, Role(found.role), found.organisation)

    def _still_here(self, connection: Connection, staff: str) -> Person:
        try:
            return self._present(connection, staff)
        except UnknownPerson as error:
            raise NotSignedIn("you are not signed in any more") from error

    def _end(self, connection: Connection, staff: str) -> None:
        for row in (StaffSession, Passkey, Invitation):
            connection.execute(delete(row).where(row.staff == staff))

    def _log(self, connection: Connection, now: int, event: str, by: Person | None, person: Person) -> None:
        named = f"{person.id} {person.role}"
        digest = hashlib.sha256(named.encode()).hexdigest()
        audit.append(connection, now, audit.Entry(event=event, by=by.id if by else "operator", digest=digest))


def _digest(kind: str, secret: str) -> str:
    return hashlib.sha256(f"tutela/staff-{kind}/1\x00{secret}".encode()).hexdigest()
