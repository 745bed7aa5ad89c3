"""What a decision has to be carried out, written in the decision's own transaction.

Each action has an id made from its decision and place, which never changes: whoever carries it out can find out by it
whether it was done already. What the person concerned is told stands before what is done to their account, for a
locked account cannot read.

Actions of one decision, and actions about one account or medium, are done in the order in which they were decided:
`held_up` says for which ones others wait.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update

from tutela.provider.database import Database
from tutela.provider.reports.tables import Report
from tutela.provider.review.numbers import next_number
from tutela.provider.review.policy import ActionKind
from tutela.provider.review.records import IN_FORCE, DecisionRow
from tutela.provider.review.tables import Action, Case, Decision
from tutela.wire.report import MessageEvidence, Proof
from tutela.wire.report import Report as WireReport

WAITING: Final = "waiting"
DONE: Final = "done"
FAILED: Final = "failed"
WITHDRAWN: Final = "withdrawn"

#: A worker that has been silent for so long, in milliseconds, has died: another takes its action over.
LEASE: Final = 60_000

#: Tell the person concerned what was decided and why (Digital Services Act, Article 17).
STATEMENT: Final = "statement"
#: Tell them that it was taken back, or what became of their appeal.
CORRECTION: Final = "correction"
#: Tell them that what was to end by itself does not: a second person has confirmed it.
CONFIRMATION: Final = "confirmation"
LOCK: Final = "lock"
UNLOCK: Final = "unlock"
SUSPEND: Final = "suspend"
UNSUSPEND: Final = "unsuspend"
QUARANTINE: Final = "quarantine"
UNQUARANTINE: Final = "unquarantine"

#: The address of a medium: its homeserver, and its id there. Neither begins with a dot, which in a path means another.
MEDIUM: Final = re.compile(r"mxc://([A-Za-z0-9\[][A-Za-z0-9.:\[\]-]{0,254})/([A-Za-z0-9_-]{1,255})")

#: How an action at the homeserver is taken back.
OPPOSITE: Final = {LOCK: UNLOCK, SUSPEND: UNSUSPEND, QUARANTINE: UNQUARANTINE}

_AT_ACCOUNT: Final = {
    ActionKind.LOCK: (LOCK,),
    ActionKind.SUSPEND: (SUSPEND,),
    # Deactivating cannot be undone, so a ban is a lock without end.
    ActionKind.BAN: (LOCK,),
}
_TOLD: Final = frozenset(
    {ActionKind.WARN, ActionKind.LOCK, ActionKind.SUSPEND, ActionKind.BAN, ActionKind.QUARANTINE_MEDIUM}
)


def carry_out(connection: Connection, decision: DecisionRow, about: str | None, now: int) -> None:
    """Write down what carries out a decision about an account."""
    steps: list[tuple[str, str, str]] = []
    if about is not None and _TOLD & set(decision.actions):
        steps.append((STATEMENT, about, ""))
    if ActionKind.QUARANTINE_MEDIUM in decision.actions:
        hashes = media_of(connection, decision.case)
        steps += [(QUARANTINE, address, hashes[address]) for address in decision.media if address in hashes]
    if about is not None:
        kinds = dict.fromkeys(kind for action in decision.actions for kind in _AT_ACCOUNT.get(action, ()))
        steps += [(kind, about, "") for kind in kinds]
    _write(connection, decision.id, steps, now)


def take_back(connection: Connection, decision: DecisionRow, about: str | None, now: int) -> None:
    """Write down what takes a decision back: what was not begun is withdrawn, the rest is reversed."""
    row = Action
    waiting = (row.decision == decision.id, row.state == WAITING)
    # What is withdrawn may be under way at this moment: it is reversed once its worker must have ended.
    under_way = connection.scalar(select(row.id).where(*waiting, row.attempts > 0).limit(1)) is not None
    connection.execute(update(row).where(*waiting).values(state=WITHDRAWN))
    begun = connection.execute(
        select(row.kind, row.target, row.state)
        .where(row.decision == decision.id, row.attempts > 0)
        .order_by(row.number.desc())
    ).all()
    needed = still_needed(connection, decision, [action.target for action in begun])
    steps = [
        (OPPOSITE[action.kind], action.target, "")
        for action in begun
        if action.kind in OPPOSITE and action.state != FAILED and (action.kind, action.target) not in needed
    ]
    if about is not None and any(action.kind == STATEMENT for action in begun):
        # After the account can read again.
        steps.append((CORRECTION, about, ""))
    _write(connection, decision.id, steps, now + LEASE if under_way else now)


def confirm(connection: Connection, decision: str, about: str | None, now: int) -> None:
    """Write down that the person concerned is told that a decision does not end by itself any more.

    Only where the statement was begun: one that is not is composed later, and does not say that anything ends.
    """
    row = Action
    begun = select(row.id).where(row.decision == decision, row.kind == STATEMENT, row.attempts > 0, row.state != FAILED)
    if about is not None and connection.scalar(begun.limit(1)) is not None:
        _write(connection, decision, [(CONFIRMATION, about, "")], now)


def answer_appeal(
    connection: Connection, decision: DecisionRow, about: str | None, *, stands: bool, reasons: str, now: int
) -> None:
    """Write down that the person concerned is answered. Where the decision stands, that is all that happens."""
    if about is not None and stands:
        _write(connection, decision.id, [(CORRECTION, about, reasons)], now)


def still_needed(connection: Connection, decision: DecisionRow, targets: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Return what other decisions in force ask for at the same accounts and media: pairs of kind and target."""
    row = Action
    others = connection.execute(
        select(row.kind, row.target)
        .join(Decision, Decision.id == row.decision)
        .where(Decision.state == IN_FORCE, Decision.id != decision.id)
        .where(row.target.in_(targets), row.kind.in_(OPPOSITE))
    )
    return frozenset((action.kind, action.target) for action in others)


def held_up() -> ColumnElement[bool]:
    """The condition under which an action waits for an earlier one that is not done yet.

    One that the homeserver does not do, although it answers, holds others up only for a while: a child is not left
    without protection because a message cannot be sent. But what undoes another action never overtakes it.
    """
    row = Action
    earlier = row.__table__.alias("earlier")
    related = or_(earlier.c.decision == row.decision, earlier.c.target == row.target)
    opposite = or_(
        *(
            and_(earlier.c.kind == one, row.kind == other)
            for pair in OPPOSITE.items()
            for one, other in (pair, pair[::-1])
        )
    )
    return (
        select(earlier.c.id)
        .where(earlier.c.state == WAITING, earlier.c.number < row.number)
        .where(or_(and_(related, earlier.c.holds), and_(earlier.c.target == row.target, opposite)))
        .exists()
    )


def waiting(database: Database) -> int:
    """Return how much is still to be done."""
    with database.reading() as connection:
        return connection.scalar(select(func.count()).where(Action.state == WAITING)) or 0


def media_of(connection: Connection, case: int) -> Mapping[str, str]:
    """Return the media that the person concerned was proven to have sent: address, `mxc://…`, and SHA-256 in base64.

    The hash is of the encrypted file, as its sender committed to it: whoever withdraws a medium compares it first, for
    a message can name any address. Where they named several hashes for one address, all stand there, with a space in
    between: a false one beside the true one hides nothing.
    """
    found: dict[str, dict[str, None]] = {}
    for evidence in proven_of(connection, case):
        for address, digest in media_in(evidence):
            found.setdefault(address, {})[digest] = None
    return {address: " ".join(digests) for address, digests in found.items()}


def proven_of(connection: Connection, case: int, among: Collection[str] | None = None) -> Iterator[MessageEvidence]:
    """Give out the messages of a case that are proven to be the person's whom it is about.

    Only those of the reports `among` are read, if some are named: a case may hold very many.
    """
    about = connection.scalar(select(Case.about).where(Case.id == case))
    some = (" " + Report.proofs + " ").contains(f" {Proof.PROVEN} ")
    reports = select(Report.body, Report.proofs).where(Report.case == case, some).order_by(Report.received)
    if among is not None:
        reports = reports.where(Report.id.in_(among))
    with connection.execute(reports.execution_options(yield_per=10)) as rows:
        for row in rows:
            report = msgspec.json.decode(row.body, type=WireReport)
            for evidence, proof in zip(report.evidence, row.proofs.split(), strict=True):
                if proof == Proof.PROVEN and evidence.sender == about:
                    yield evidence


class _File(msgspec.Struct):
    url: str
    hashes: dict[str, str] = {}


class _Info(msgspec.Struct):
    thumbnail_file: _File | None = None


class _Content(msgspec.Struct):
    file: _File | None = None
    info: _Info | None = None


def media_in(evidence: MessageEvidence) -> list[tuple[str, str]]:
    """Return where a message says that its file and the small picture of it lie, each with its hash."""
    try:
        content = msgspec.json.decode(evidence.content, type=_Content)
    except (msgspec.MsgspecError, RecursionError):
        return []
    files = (content.file, content.info.thumbnail_file if content.info else None)
    return [
        (address, file.hashes["sha256"])
        for file in files
        if file is not None and "sha256" in file.hashes and (address := _address(file.url))
    ]


def _address(url: str) -> str:
    """Return the address in an URL as browsers would fetch it: without line ends, tabs, and what comes behind."""
    found = MEDIUM.match(re.sub(r"[\t\n\r]", "", url).strip())
    return found.group() if found else ""


def _write(connection: Connection, decision: str, steps: Sequence[tuple[str, str, str]], now: int) -> None:
    row = Action
    before = len(connection.execute(select(row.id).where(row.decision == decision)).all())
    for position, (kind, target, text) in enumerate(steps, before):
        connection.execute(
            insert(row).values(
                id=action_id(decision, position),
                number=next_number(connection, "action"),
                decision=decision,
                position=position,
                kind=kind,
                target=target,
                text=text,
                state=WAITING,
                attempts=0,
                after=now,
                holds=True,
                done=None,
                detail="",
            )
        )


def action_id(decision: str, position: int) -> str:
    """Return the id of a decision's action: the same whenever it is asked for."""
    return hashlib.sha256(f"tutela/action/1 {decision} {position}".encode()).hexdigest()[:32]
