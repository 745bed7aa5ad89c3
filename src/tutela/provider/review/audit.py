"""The audit log: every act becomes a leaf of a Merkle tree (RFC 6962), in the transaction of the act itself.

So there is no act without its leaf and no leaf without its act, and whoever has kept an earlier checkpoint notices if
anything that came before was changed. Leaves name cases, decisions and staff by their ids, reports by their digest,
and nobody else: neither who reported nor who is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from tutela.provider.database import Database
from tutela.provider.errors import DamagedAudit
from tutela.provider.review.tables import AuditHead, AuditLeaf
from tutela.transparency.merkle import Frontier, leaf_hash

_ONLY: Final = 1
_BATCH: Final = 1000
#: Leaves shown at once.
PAGE: Final = 100


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was done. Empty fields are left out of the leaf."""

    event: str
    by: str
    """An id of `staff`, `reporter`, or `service`."""
    case: int | None = None
    decision: str | None = None
    action: str | None = None
    actions: tuple[str, ...] = ()
    rule: str | None = None
    digest: str | None = None
    """SHA-256 of what the act was about: a report, or reasons."""


class _Leaf(msgspec.Struct, frozen=True):
    number: int
    time: int
    entry: Entry


@dataclass(frozen=True)
class Logged:
    """A leaf as it was read back."""

    number: int
    time: int
    entry: Entry
    hash: bytes


def append(connection: Connection, now: int, entry: Entry) -> int:
    """Log `entry` in the transaction of `connection`; return the leaf's number, from 0 on."""
    # Changing the head first makes appends wait for each other until their transactions end.
    row = AuditHead
    if connection.execute(update(row).where(row.id == _ONLY).values(size=row.size + 1)).rowcount:
        head = connection.execute(select(row).where(row.id == _ONLY)).one()
        number, frontier = int(head.size) - 1, Frontier.decode(head.frontier)
    else:
        number, frontier = 0, Frontier()
        connection.execute(insert(row).values(id=_ONLY, size=1, frontier=frontier.encode()))
    leaf = msgspec.json.encode(_Leaf(number, now, entry), order="sorted")
    hashed = leaf_hash(leaf)
    connection.execute(insert(AuditLeaf).values(number=number, time=now, case=entry.case, leaf=leaf, hash=hashed))
    connection.execute(update(row).where(row.id == _ONLY).values(frontier=frontier.append(hashed).encode()))
    return number


def of_case(connection: Connection, case: int) -> Sequence[Logged]:
    """Return what was logged of a case, oldest first."""
    rows = connection.execute(select(AuditLeaf).where(AuditLeaf.case == case).order_by(AuditLeaf.number))
    return [_logged(row.leaf, row.hash) for row in rows]


def newest(connection: Connection, *, case: int | None = None, before: int | None = None) -> Sequence[Logged]:
    """Return what was logged last, of one case or of all, before the leaf number `before`; newest first."""
    row = AuditLeaf
    query = select(row).order_by(row.number.desc()).limit(PAGE)
    if case is not None:
        query = query.where(row.case == case)
    if before is not None:
        query = query.where(row.number < before)
    return [_logged(found.leaf, found.hash) for found in connection.execute(query)]


def leaves(database: Database) -> Iterator[bytes]:
    """Return the leaves that there are now, as they were hashed, a few at a time: no transaction waits for a reader."""
    row, after, size = AuditLeaf, -1, _size(database)
    while after + 1 < size:
        query = select(row.number, row.leaf).where(row.number > after, row.number < size).order_by(row.number)
        with database.reading() as connection:
            found = connection.execute(query.limit(_BATCH)).all()
        if not found:
            return  # some are missing; whoever counts them will see it
        yield from (leaf for _, leaf in found)
        after = found[-1].number


def hashes(database: Database, size: int) -> bytes:
    """Return the hashes of the first `size` leaves, one after the other."""
    with database.reading() as connection:
        query = select(AuditLeaf.hash).where(AuditLeaf.number < size).order_by(AuditLeaf.number)
        return b"".join(connection.scalars(query.execution_options(yield_per=_BATCH)))


def parse(leaf: bytes) -> Logged:
    """Read a leaf.

    Raises:
        DamagedAudit: it is none.
    """
    return _logged(leaf, leaf_hash(leaf))


def verify(database: Database) -> Frontier:
    """Read the whole log and check that it is what its head says; return the head.

    Raises:
        DamagedAudit: a leaf is missing or was changed, or the head is not that of these leaves.
    """
    frontier = Frontier()
    with database.reading() as connection:
        head = connection.execute(select(AuditHead)).one_or_none()
        found = connection.execute(select(AuditLeaf).order_by(AuditLeaf.number).execution_options(yield_per=_BATCH))
        with found as rows:
            for number, row in enumerate(rows):
                logged = _logged(row.leaf, row.hash)
                if (row.number, logged.number, logged.time, logged.entry.case) != (number, number, row.time, row.case):
                    raise DamagedAudit(f"entry {number} of the audit log is missing or has been changed")
                if leaf_hash(row.leaf) != row.hash:
                    raise DamagedAudit(f"entry {number} of the audit log has been changed")
                frontier = frontier.append(row.hash)
    if head is None:
        if frontier.size:
            raise DamagedAudit("the audit log has lost its head")
        return frontier
    if head.size != frontier.size or head.frontier != frontier.encode():
        raise DamagedAudit(f"the audit log ends at entry {frontier.size}, but its head says {head.size}")
    return frontier


def _size(database: Database) -> int:
    with database.reading() as connection:
        return connection.scalar(select(AuditHead.size)) or 0


def _logged(leaf: bytes, hashed: bytes) -> Logged:
    try:
        read = msgspec.json.decode(leaf, type=_Leaf)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedAudit(f"an entry of the audit log cannot be read: {error}") from error
    return Logged(read.number, read.time, read.entry, hashed)
