"""The tables of review. Whoever acts is named by their id in `staff`."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tutela.provider.tables import Base


class Case(Base):
    """What reviewers decide on: all open reports about one account, or one report that names nobody."""

    __tablename__ = "review_case"
    # In the order of the queue, all of it and each person's, so that a page is read in order and no further.
    __table_args__ = (
        Index("ix_review_case_queue", "open", "urgency", "damped", "due", "id"),
        Index("ix_review_case_assignee", "assignee", "open", "urgency", "damped", "due", "id"),
        Index("ix_review_case_about", "about", "open"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    about: Mapped[str | None] = mapped_column(String(255))
    open: Mapped[bool]
    urgency: Mapped[int]
    """0 imminent danger, 1 contact, 2 distribution, 3 other: what is most urgent comes first."""
    damped: Mapped[bool]
    """Whether every report in it is by somebody whose reports were found in bad faith before."""
    opened: Mapped[int] = mapped_column(BigInteger)
    due: Mapped[int] = mapped_column(BigInteger)
    """When it must have been decided."""
    changed: Mapped[int] = mapped_column(BigInteger)
    reports: Mapped[int]
    reporters: Mapped[int]
    news: Mapped[int]
    """Counts what came in: reports and additions. A decision is about what whoever decided had seen."""
    assignee: Mapped[str | None] = mapped_column(String(64))
    assigned: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int]
    """Counts every change: whoever acts on an older version is told so."""


class Decision(Base):
    """What was proposed or decided in a case, and by whom."""

    __tablename__ = "review_decision"
    # What waits for a second person, or lapses, is found without reading all that was ever decided.
    __table_args__ = (Index("ix_review_decision_waiting", "state", "lapses"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    case: Mapped[int] = mapped_column(ForeignKey("review_case.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    """`act`, `undo` or `appeal`."""
    of: Mapped[str | None] = mapped_column(ForeignKey("review_decision.id"))
    """The decision that is undone or appealed."""
    actions: Mapped[str] = mapped_column(Text)
    """Names of actions, separated by spaces."""
    rule: Mapped[str] = mapped_column(String(64))
    """Of the published policy."""
    reasons: Mapped[str] = mapped_column(Text)
    """In the reviewer's words, for the audit and the person concerned; they name no reporter."""
    answer: Mapped[str] = mapped_column(Text)
    """To the reporters."""
    bad_faith: Mapped[str] = mapped_column(Text)
    """Ids of the reports that were made to harm somebody, separated by spaces."""
    media: Mapped[str] = mapped_column(Text)
    """Addresses of the media that are withdrawn, separated by spaces."""
    seen: Mapped[int]
    """What had come in (`Case.news`) when it was proposed: what came later is not decided by it."""
    at_once: Mapped[bool]
    """Whether one person put it into force, until somebody else confirms it."""
    state: Mapped[str] = mapped_column(String(16))
    """`proposed`, `in-force`, `refused`, `undone`, `lapsed`."""
    proposed_by: Mapped[str] = mapped_column(String(64))
    proposed: Mapped[int] = mapped_column(BigInteger)
    settled_by: Mapped[str | None] = mapped_column(String(64))
    settled: Mapped[int | None] = mapped_column(BigInteger)
    lapses: Mapped[int | None] = mapped_column(BigInteger)
    """When an urgent act by one person ends, unless a second person confirms it."""


class Appeal(Base):
    """The one appeal that the person concerned can make against a decision, and what became of it."""

    __tablename__ = "review_appeal"
    __table_args__ = (Index("ix_review_appeal_open", "answered", "received"),)

    decision: Mapped[str] = mapped_column(ForeignKey("review_decision.id"), primary_key=True)
    token: Mapped[str] = mapped_column(String(64), unique=True)
    """Digest of what the person was given to appeal with: a locked account cannot sign in."""
    text: Mapped[str | None] = mapped_column(Text)
    received: Mapped[int | None] = mapped_column(BigInteger)
    stands: Mapped[bool | None]
    reasons: Mapped[str | None] = mapped_column(Text)
    answered_by: Mapped[str | None] = mapped_column(String(64))
    answered: Mapped[int | None] = mapped_column(BigInteger)


class Note(Base):
    """What reviewers write for each other."""

    __tablename__ = "review_note"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    case: Mapped[int] = mapped_column(ForeignKey("review_case.id"), index=True)
    by: Mapped[str] = mapped_column(String(64))
    written: Mapped[int] = mapped_column(BigInteger)
    text: Mapped[str] = mapped_column(Text)


class Action(Base):
    """One thing to be done at the homeserver: an outbox. `id` is stable, so that doing it again changes nothing."""

    __tablename__ = "review_action"
    __table_args__ = (Index("ix_review_action_waiting", "state", "after"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, unique=True)
    """In the order in which they were written, over all decisions."""
    decision: Mapped[str] = mapped_column(ForeignKey("review_decision.id"), index=True)
    position: Mapped[int]
    """Among the actions of its decision, from 0 on."""
    kind: Mapped[str] = mapped_column(String(32))
    target: Mapped[str] = mapped_column(Text)
    """An account, or the address of a medium."""
    text: Mapped[str] = mapped_column(Text)
    """For a correction the reasons, for a medium the SHA-256 of the encrypted file; empty for other kinds."""
    state: Mapped[str] = mapped_column(String(16))
    """`waiting`, `done`, `failed` or `withdrawn`."""
    attempts: Mapped[int]
    after: Mapped[int] = mapped_column(BigInteger)
    """Not to be tried before."""
    holds: Mapped[bool]
    """Whether later actions of its decision, and about its target, wait for it."""
    done: Mapped[int | None] = mapped_column(BigInteger)
    detail: Mapped[str] = mapped_column(Text)


class AuditLeaf(Base):
    """One act, as it was logged. Rows are only ever added."""

    __tablename__ = "audit_leaf"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    time: Mapped[int] = mapped_column(BigInteger)
    case: Mapped[int | None] = mapped_column(BigInteger, index=True)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    """Canonical JSON."""
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditHead(Base):
    """Where the log ends: one row, which every append changes, so that two appends cannot cross."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)


class Counter(Base):
    """Numbers given out one by one, on every database alike."""

    __tablename__ = "counter"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    next: Mapped[int] = mapped_column(BigInteger)


class Staff(Base):
    """Somebody who reviews, invites or audits."""

    __tablename__ = "staff"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(16))
    organisation: Mapped[str] = mapped_column(String(120))
    created: Mapped[int] = mapped_column(BigInteger)
    dismissed: Mapped[int | None] = mapped_column(BigInteger)


class Invitation(Base):
    """A one-time link with which somebody makes a passkey. Its secret is kept as a digest."""

    __tablename__ = "staff_invitation"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff: Mapped[str] = mapped_column(ForeignKey("staff.id"), index=True)
    expires: Mapped[int] = mapped_column(BigInteger)


class Passkey(Base):
    """A passkey: the public half, and how often its authenticator says that it was used."""

    __tablename__ = "staff_passkey"

    id: Mapped[str] = mapped_column(String(1400), primary_key=True)
    """The credential's id, in URL-safe base64."""
    staff: Mapped[str] = mapped_column(ForeignKey("staff.id"), index=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[int] = mapped_column(BigInteger)
    used: Mapped[int] = mapped_column(BigInteger)


class StaffSession(Base):
    """A signed-in browser. Its secret is kept as a digest."""

    __tablename__ = "staff_session"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff: Mapped[str] = mapped_column(ForeignKey("staff.id"), index=True)
    created: Mapped[int] = mapped_column(BigInteger)
    seen: Mapped[int] = mapped_column(BigInteger)


class Challenge(Base):
    """What an authenticator is to sign, once, and for what."""

    __tablename__ = "staff_challenge"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(255))
    expires: Mapped[int] = mapped_column(BigInteger, index=True)


class Exposure(Base):
    """How long somebody has looked at reported media within a shift."""

    __tablename__ = "review_exposure"

    staff: Mapped[str] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Days since 1970, UTC."""
    views: Mapped[int]
    seconds: Mapped[int]
    since_break: Mapped[int]
    """Seconds since the last break."""
    last: Mapped[int] = mapped_column(BigInteger)


class Sample(Base):
    """A decided case, or one of the golden set, that somebody decides a second time without seeing the first."""

    __tablename__ = "review_sample"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    case: Mapped[int] = mapped_column(ForeignKey("review_case.id"), index=True)
    golden: Mapped[bool]
    expected: Mapped[str] = mapped_column(Text)
    """`rule action…` of the first decision, or of those who made the golden set."""
    drawn: Mapped[int] = mapped_column(BigInteger)
    reviewer: Mapped[str | None] = mapped_column(String(64))
    given: Mapped[str | None] = mapped_column(Text)
    answered: Mapped[int | None] = mapped_column(BigInteger, index=True)
