"""Who reviews, and what each may do. Pure; `staff` keeps them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from tutela.provider.errors import NotAllowed


class Role(enum.StrEnum):
    """What somebody is here for. Each may do what it needs and nothing else."""

    REVIEWER = "reviewer"
    """Looks at cases and proposes decisions; seconds those of others."""
    PARTNER = "partner"
    """Of another organisation: sees what is to be seconded or was appealed, and decides on it."""
    ADMIN = "admin"
    """Leads: invites and dismisses staff, sees how well decisions agree; sees no case."""
    AUDITOR = "auditor"
    """Reads the audit log, sees how well decisions agree; sees no case."""


class Permission(enum.StrEnum):
    """One thing that somebody may do."""

    SEE_QUEUE = "see-queue"
    SEE_CASE = "see-case"
    PROPOSE = "propose"
    SETTLE = "settle"
    """Second or refuse what another has proposed, and decide on appeals."""
    WRITE_NOTES = "write-notes"
    MANAGE_STAFF = "manage-staff"
    READ_AUDIT = "read-audit"
    SEE_AGREEMENT = "see-agreement"
    """How well decisions agree: figures of rules and training, for those who lead or audit."""


_GRANTED: Final = {
    Role.REVIEWER: frozenset(
        {
            Permission.SEE_QUEUE,
            Permission.SEE_CASE,
            Permission.PROPOSE,
            Permission.SETTLE,
            Permission.WRITE_NOTES,
        }
    ),
    Role.PARTNER: frozenset({Permission.SEE_CASE, Permission.SETTLE, Permission.WRITE_NOTES}),
    Role.ADMIN: frozenset({Permission.MANAGE_STAFF, Permission.SEE_AGREEMENT}),
    Role.AUDITOR: frozenset({Permission.READ_AUDIT, Permission.SEE_AGREEMENT}),
}


#: Who opens what has been reported and proposes what is done: without one of them, nobody reads.
READERS: Final = tuple(role for role, granted in _GRANTED.items() if Permission.PROPOSE in granted)


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    id: str
    name: str
    role: Role
    organisation: str

    def may(self, permission: Permission) -> bool:
        """Whether this person has a permission."""
        return permission in _GRANTED[self.role]

    def check(self, permission: Permission) -> None:
        """Go on only if this person has a permission.

        Raises:
            NotAllowed: they have not.
        """
        if not self.may(permission):
            raise NotAllowed(f"this is not for the role {self.role}", hint="Somebody of another role does this.")
