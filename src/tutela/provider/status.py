"""What an operator sees at a glance. Counts of accounts, never their names."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import distinct, func, select

from tutela.provider import tables
from tutela.provider.clock import Clock, text_of
from tutela.provider.database import Database
from tutela.provider.epochs import Epochs
from tutela.provider.errors import NothingPublished
from tutela.provider.keys import KeyStore


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
    held = set(keys.ids())
    return Status(
        provider=name,
        database=database.address,
        epoch=_newest(epochs, times),
        epochs=tuple(sorted(times)),
        keys=tuple(KeyState(one, _state(one, published, held, clock())) for one in sorted(published.keys() | held)),
        sessions=sessions,
        accounts=accounts,
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
