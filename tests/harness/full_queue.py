"""A provider with very many cases, made in seconds: a few are really reported and decided, and these are multiplied.

What the tables hold is the stores' business: a multiplied row differs from a real one in its keys, its accounts and its
times. The audit log is not multiplied: it tells of the few only. Reports repeat each other's words.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from harness.provider import SERVER, STAMP_KEY, TestClock
from harness.reports import message, report
from harness.review import ADA, BOB, SUSPEND
from tutela.provider.database import Database
from tutela.provider.reports.attachments import AttachmentFiles
from tutela.provider.reports.intake import Reports
from tutela.provider.reports.tables import Report, ReportMessage
from tutela.provider.reports.verification import StampKeys
from tutela.provider.review import cases, policy
from tutela.provider.review.decisions import Decisions
from tutela.provider.review.tables import Action, Case, Counter, Decision
from tutela.wire.document import encode
from tutela.wire.franking import stamp_key_id
from tutela.wire.report import ReportReason

#: Of each hundred cases, how many are of this kind.
SHARES = {
    (ReportReason.THREATENED, True): 1,
    (ReportReason.ASKED_FOR_PICTURES, False): 39,
    (ReportReason.SAW_ABUSE, False): 20,
    (ReportReason.SOMETHING_ELSE, False): 40,
}
_CHUNK = 5_000
_DAY = 86_400_000
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
Row = dict[str, Any]


@dataclass(frozen=True)
class Original:
    """The rows of one real case."""

    case: Row
    report: Row
    messages: Sequence[Row]
    decision: Row | None
    actions: Sequence[Row]


def reports_in(folder: Path, database: Database, clock: TestClock) -> Reports:
    """An intake that knows the homeserver of the tests."""
    stamps = StampKeys({(SERVER, stamp_key_id(STAMP_KEY)): STAMP_KEY})
    return Reports(database, AttachmentFiles(folder / "attachments"), clock, os.urandom, policy.load(), stamps)


def fill(folder: Path, database: Database, *, undecided: int, decided: int = 0, seed: int = 1) -> None:
    """Have so many open and so many decided cases in an empty database, all reported within the week before `START`."""
    clock = TestClock()
    originals = list(_originals(folder, database, clock))
    chosen = random.Random(seed)
    number = len(originals)
    for of_kind, count in ((originals[::2], undecided), (originals[1::2], decided)):
        weighted = chosen.choices(of_kind, weights=list(SHARES.values()), k=max(0, count - len(of_kind)))
        for start in range(0, len(weighted), _CHUNK):
            copies = []
            for original in weighted[start : start + _CHUNK]:
                number += 1
                copies.append(_copy(original, number, clock.now - chosen.randrange(7 * _DAY), chosen))
            _insert(database, copies)
    with database.writing() as connection:
        connection.execute(sa.update(Counter).where(Counter.name == "report").values(next=number + 1))
        actions = connection.scalar(sa.select(sa.func.max(Action.number))) or 0
        connection.execute(sa.update(Counter).where(Counter.name == "action").values(next=actions + 1))


def _originals(folder: Path, database: Database, clock: TestClock) -> Iterator[Original]:
    """Two of each kind, the second one decided."""
    intake = reports_in(folder, database, clock)
    decisions = Decisions(database, clock, os.urandom, intake.policy)
    for number in range(1, 2 * len(SHARES) + 1):
        reason, danger_now = list(SHARES)[(number - 1) // 2]
        about = f"@original{number}:{SERVER}"
        evidence = [message(i, f"message {i}", sender=about) for i in range(1, 4)]
        sent = report(*evidence, number=number, about=about, reason=reason, danger_now=danger_now, text="He scares me.")
        intake.take(f"@reporter{number}:{SERVER}", encode(sent))
        with database.reading() as connection:
            case = cases.open_about(connection, about)
        assert case is not None
        if number % 2 == 0:
            proposed = decisions.propose(ADA, case.id, case.version, SUSPEND)
            decisions.second(BOB, proposed.id, case.version + 1)
        yield _read(database, case.id)


def _read(database: Database, case: int) -> Original:
    def rows(query: sa.Select[Any]) -> list[Row]:
        return [dict(row._mapping) for row in connection.execute(query)]

    with database.reading() as connection:
        (report_row,) = rows(sa.select(Report).where(Report.case == case))
        decision = rows(sa.select(Decision).where(Decision.case == case))
        return Original(
            case=rows(sa.select(Case).where(Case.id == case))[0],
            report=report_row,
            messages=rows(sa.select(ReportMessage).where(ReportMessage.report == report_row["id"])),
            decision=decision[0] if decision else None,
            actions=rows(sa.select(Action).where(Action.decision == decision[0]["id"])) if decision else [],
        )


def _copy(original: Original, number: int, opened: int, chosen: random.Random) -> Original:
    case, about = original.case, f"@u{number}:{SERVER}"
    later = {name: value + opened - case["opened"] for name, value in case.items() if name in ("due", "changed")}
    report_id = hashlib.sha256(f"copy {number}".encode()).hexdigest()
    decision_id = hashlib.sha256(f"decision {number}".encode()).hexdigest()[:32] if original.decision else None
    own: Row = {"id": number, "about": about, "opened": opened, "damped": chosen.random() < 0.02, **later}
    if original.decision is None and chosen.random() < 0.1:
        own |= {"assignee": chosen.choice([ADA.id, BOB.id]), "assigned": opened}
    reported = {
        "id": report_id,
        "account": f"@reporter{number}:{SERVER}",
        "case": number,
        "decision": decision_id,
        "reference": "".join(_LETTERS[number >> 5 * place & 31] for place in range(7, -1, -1)),
        "received": opened,
        "updated": opened,
    }
    placed = {"report": report_id, "room_id": f"!room{number}:{SERVER}"}
    return Original(
        case=case | own,
        report=original.report | reported,
        messages=[row | placed | {"event_id": f"{row['event_id']}.{number}"} for row in original.messages],
        decision=original.decision | {"id": decision_id, "case": number} if original.decision else None,
        actions=[
            action
            | {
                "id": hashlib.sha256(f"action {number} {action['position']}".encode()).hexdigest()[:32],
                "number": 10 * number + action["position"],
                "decision": decision_id,
                "target": about,
                "state": "done",
                "attempts": 1,
                "done": opened,
            }
            for action in original.actions
        ],
    )


def _insert(database: Database, copies: Sequence[Original]) -> None:
    with database.writing() as connection:
        for table, rows in (
            (Case, [copy.case for copy in copies]),
            (Report, [copy.report for copy in copies]),
            (ReportMessage, [row for copy in copies for row in copy.messages]),
            (Decision, [copy.decision for copy in copies if copy.decision]),
            (Action, [row for copy in copies for row in copy.actions]),
        ):
            for same in _alike(rows):
                connection.execute(sa.insert(table), same)


def _alike(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """What is inserted at once must have the same columns."""
    kinds: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        kinds.setdefault(tuple(row), []).append(row)
    yield from kinds.values()
