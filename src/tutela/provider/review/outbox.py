"""What a decision has to be carried out, written in the decision's own transaction.

Each action has an id made from its decision and place, which never changes: whoever carries it out can find out by it
whether it was done already. What the person concerned is told stands before what is done to their account, for a
locked account cannot read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from tutela.provider.reports.tables import Report
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
LOCK: Final = "lock"
UNLOCK: Final = "unlock"
SUSPEND: Final = "suspend"
UNSUSPEND: Final = "unsuspend"
QUARANTINE: Final = "quarantine"
UNQUARANTINE: Final = "unquarantine"

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
        steps += [(QUARANTINE, address, "") for address in media_of(connection, decision.case)]
    if about is not None:
        kinds = dict.fromkeys(kind for action in decision.actions for kind in _AT_ACCOUNT.get(action, ()))
        steps += [(kind, about, "") for kind in kinds]
    _write(connection, decision.id, steps, now)


def take_back(connection: Connection, decision: DecisionRow, about: str | None, now: int) -> None:
    """Write down what takes a decision back: what was not begun is withdrawn, the rest is reversed."""
    row = Action
    open_ = (row.decision == decision.id, row.state.in_((WAITING, FAILED)))
    # What is withdrawn may be under way at this moment: it is reversed once its worker must have ended.
    under_way = connection.scalar(select(row.id).where(*open_, row.attempts > 0).limit(1)) is not None
    connection.execute(update(row).where(*open_).values(state=WITHDRAWN))
    # To reverse what was never done does no harm.
    done = connection.execute(
        select(row.kind, row.target).where(row.decision == decision.id).order_by(row.position.desc())
    ).all()
    needed = _needed(connection, decision, about)
    steps = [(OPPOSITE[kind], target, "") for kind, target in done if kind in OPPOSITE and kind not in needed]
    if about is not None and any(kind == STATEMENT for kind, _ in done):
        # After the account can read again.
        steps.append((CORRECTION, about, ""))
    _write(connection, decision.id, steps, now + LEASE if under_way else now)


def answer_appeal(
    connection: Connection, decision: DecisionRow, about: str | None, *, stands: bool, reasons: str, now: int
) -> None:
    """Write down that the person concerned is answered. Where the decision stands, that is all that happens."""
    if about is not None and stands:
        _write(connection, decision.id, [(CORRECTION, about, reasons)], now)


def _needed(connection: Connection, decision: DecisionRow, about: str | None) -> frozenset[str]:
    """Return what other decisions in force still ask for at the same account."""
    others = connection.scalars(
        select(Decision.actions)
        .join(Case, Case.id == Decision.case)
        .where(Case.about == about, Decision.state == IN_FORCE, Decision.kind == "act", Decision.id != decision.id)
    )
    names = (ActionKind(name) for actions in others for name in actions.split())
    return frozenset(kind for name in names for kind in _AT_ACCOUNT.get(name, ()))


def media_of(connection: Connection, case: int) -> Sequence[str]:
    """Return the addresses of the media in a case's proven messages, `mxc://…`, each once."""
    found: dict[str, None] = {}
    for row in connection.execute(
        select(Report.body, Report.proofs).where(Report.case == case).order_by(Report.received)
    ):
        report = msgspec.json.decode(row.body, type=WireReport)
        for evidence, proof in zip(report.evidence, row.proofs.split(), strict=True):
            if proof == Proof.PROVEN and (address := _address(evidence)):
                found[address] = None
    return list(found)


class _File(msgspec.Struct):
    url: str


class _Content(msgspec.Struct):
    file: _File


def _address(evidence: MessageEvidence) -> str | None:
    try:
        address = msgspec.json.decode(evidence.content, type=_Content).file.url
    except (msgspec.MsgspecError, RecursionError):
        return None
    return address if address.startswith("mxc://") else None


def _write(connection: Connection, decision: str, steps: Sequence[tuple[str, str, str]], now: int) -> None:
    row = Action
    before = len(connection.execute(select(row.id).where(row.decision == decision)).all())
    for position, (kind, target, text) in enumerate(steps, before):
        connection.execute(
            insert(row).values(
                id=action_id(decision, position),
                decision=decision,
                position=position,
                kind=kind,
                target=target,
                text=text,
                state=WAITING,
                attempts=0,
                after=now,
                done=None,
                detail="",
            )
        )


def action_id(decision: str, position: int) -> str:
    """Return the id of a decision's action: the same whenever it is asked for."""
    return hashlib.sha256(f"tutela/action/1 {decision} {position}".encode()).hexdigest()[:32]
