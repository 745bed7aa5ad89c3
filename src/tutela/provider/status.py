"""What an operator sees at a glance. Counts of accounts and cases, never who they are about."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, distinct, func, select

from tutela.provider import tables
from tutela.provider.clock import Clock, text_of
from tutela.provider.database import Database
from tutela.provider.epochs import Epochs
from tutela.provider.errors import NothingPublished
from tutela.provider.keys import KeyStore
from tutela.provider.reports.tables import Report
from tutela.provider.review.policy import Urgency
from tutela.provider.review.staff import somebody_reads
from tutela.provider.review.tables import Case
from tutela.wire.report import ReportState


@dataclass(frozen=True)
class NewestEpoch:
    """The newest epoch."""

    number: int
    digest: str
    created: str
    published: str
    segments: int
    bytes: int
    checks_per_hour: int


@dataclass(frozen=True)
class KeyState:
    """An OPRF key, and whether it answers."""

    id: str
    state: str


@dataclass(frozen=True)
class Waiting:
    """What waits to be decided, of one urgency."""

    urgency: str
    cases: int
    reports: int
    """Those in these cases that nothing was decided about yet."""
    oldest: str
    """When the oldest of them came."""
    oldest_minutes: int
    """How long ago that was."""


@dataclass(frozen=True)
class Status:
    """The state of a provider."""

    provider: str
    database: str
    """Where it is, without passwords."""
    epoch: NewestEpoch | None
    epochs: tuple[int, ...]
    keys: tuple[KeyState, ...]
    sessions: int
    accounts: int
    waiting: tuple[Waiting, ...]
    """By urgency, the most urgent first; without those of which nothing waits."""
    nobody_reads: bool
    """Whether nobody on the staff can read and decide: reporters are told so."""


def status(name: str, database: Database, epochs: Epochs, keys: KeyStore, clock: Clock) -> Status:
    """Return the state of the provider called `name`."""
    row, key, session = tables.Epoch, tables.Key, tables.Session
    with database.reading() as connection:
        times = {found.number: found.published for found in connection.execute(select(row.number, row.published))}
        published = {found.id: found.retires for found in connection.execute(select(key.id, key.retires))}
        alive = session.expires > clock()
        sessions, accounts = connection.execute(
            select(func.count(), func.count(distinct(session.account))).where(alive)
        ).one()
        waiting, read = _waiting(connection, clock()), somebody_reads(connection)
    held = set(keys.ids())
    return Status(
        provider=name,
        database=database.address,
        epoch=_newest(epochs, times),
        epochs=tuple(sorted(times)),
        keys=tuple(KeyState(one, _state(one, published, held, clock())) for one in sorted(published.keys() | held)),
        sessions=sessions,
        accounts=accounts,
        waiting=waiting,
        nobody_reads=not read,
    )


def _waiting(connection: Connection, now: int) -> tuple[Waiting, ...]:
    undecided = and_(Report.case == Case.id, Report.state != ReportState.DECIDED)
    # A case may be open for another cause than a report, such as a decision that was taken back.
    since = func.min(func.coalesce(Report.received, Case.opened))
    counted = (Case.urgency, func.count(distinct(Case.id)), func.count(Report.id), since)
    query = select(*counted).outerjoin(Report, undecided).where(Case.open).group_by(Case.urgency)
    return tuple(
        Waiting(Urgency(urgency).word, cases, reports, text_of(oldest), max(0, now - oldest) // 60_000)
        for urgency, cases, reports, oldest in connection.execute(query.order_by(Case.urgency))
    )


def _newest(epochs: Epochs, times: dict[int, int]) -> NewestEpoch | None:
    try:
        newest = epochs.newest()
    except NothingPublished:
        return None
    manifest = newest.manifest
    sizes = {entry.digest: entry.size for entry in manifest.segments}
    return NewestEpoch(
        number=newest.number,
        digest=newest.digest,
        created=manifest.created,
        published=text_of(times.get(newest.number, 0)),
        segments=len(sizes),
        bytes=sum(sizes.values()),
        checks_per_hour=manifest.policy.checks_per_hour,
    )


def _state(key: str, published: dict[str, int | None], held: set[str], now: int) -> str:
    secret = "" if key in held else ", but its secret is not here"
    if key not in published:
        return "held, in no published epoch"
    retires = published[key]
    if retires is None:
        return f"answers{secret}"
    if retires > now:
        return f"answers until {text_of(retires)}{secret}"
    return f"retired {text_of(retires)}" + (", secret still held (gc --retired-keys)" if key in held else "")
