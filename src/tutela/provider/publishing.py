"""Publishing an epoch: all of it becomes visible at one moment, or nothing of it.

The laws of order:

1. The manifest is accepted as a device would accept it, by the provider's own trust root, after the newest epoch.
   So an older epoch, a second one under the same number, or one with too few signatures is refused here already.
2. The secret of every key that answers is held.
3. Every segment that it names is there, with the size and digest that it says, in files that are durably written.
   No row names these files yet, so nobody can fetch them.
4. One transaction makes the manifest, its segments and its keys visible.

Whoever is killed between 3 and 4 leaves files that no row names; publishing again uses them, `gc` removes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from tutela.lists import times
from tutela.lists.acceptance import accept
from tutela.lists.errors import ListError
from tutela.matching.voprf import KeyPair
from tutela.provider import tables
from tutela.provider.clock import Clock, milliseconds
from tutela.provider.database import Database
from tutela.provider.epochs import Epochs
from tutela.provider.errors import KeyNotHeld, KeyStoreError, NothingPublished, SegmentMissing, WrongSegment
from tutela.provider.keys import KeyStore
from tutela.provider.segments import SegmentFiles
from tutela.wire import envelope as dsse
from tutela.wire.envelope import Envelope
from tutela.wire.manifest import OprfKey, SegmentEntry, TrustRoot

#: Gives the pair of a key id, or raises a `ListError`.
KeySource = Callable[[str], KeyPair]


@dataclass(frozen=True)
class Publication:
    """What publishing did."""

    epoch: int
    digest: str
    segments: int
    new_segments: int
    already_published: bool


@dataclass(frozen=True)
class Collection:
    """What garbage collection removed."""

    epochs: tuple[int, ...]
    files: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Publisher:
    """Publishes epochs and collects what is no longer needed."""

    database: Database
    files: SegmentFiles
    keys: KeyStore
    epochs: Epochs
    clock: Clock

    def publish(
        self, envelope: Envelope, segments: Mapping[str, bytes], root: TrustRoot, secrets: KeySource | None = None
    ) -> Publication:
        """Publish an epoch; `segments` holds the files that the manifest names, by digest (others are ignored).

        A segment that is published already need not be handed over. `secrets` gives the pairs of keys that the
        manifest names and that are not held yet; they are held from then on. Publishing the same epoch again changes
        nothing, but for signatures that it did not have before.

        Raises:
            ManifestRefused: a device would not accept it (one class for each reason, in `lists.errors`).
            KeyNotHeld: a key answers in it that this provider cannot answer with.
            SegmentMissing, WrongSegment: the files are not those that it names.
            OversizedMessage: more signatures than an envelope may hold.
            StorageUnavailable: the disk or the database failed; nothing has become visible.
        """
        with self.files.exclusively():
            try:
                newest = self.epochs.newest()
            except NothingPublished:
                newest = None
            manifest = accept(envelope, root, last=newest.manifest if newest else None)
            again = newest is not None and newest.number == manifest.epoch
            for key in manifest.keys:
                self._hold(key, secrets)
            entries = {entry.digest: entry for entry in manifest.segments}
            for entry in entries.values():
                self._keep(entry, segments)
            if again and newest is not None:
                envelope = _merged(dsse.decode(newest.envelope), envelope)
            data, digest = dsse.encode(envelope), hashlib.sha256(envelope.unverified_payload).hexdigest()
            dsse.decode(data)  # what could not be read again must not become visible
            with self.database.writing() as connection:
                before = _published_segments(connection)
                _enter_epoch(connection, manifest.epoch, digest, data, None if again else self.clock())
                _enter_segments(connection, manifest.epoch, entries)
                _enter_keys(connection, manifest.keys, self.clock())
        return Publication(
            epoch=manifest.epoch,
            digest=digest,
            segments=len(entries),
            new_segments=len(entries.keys() - before),
            already_published=again,
        )

    def collect(self, kept_epochs: int, *, retired_keys: bool = False) -> Collection:
        """Remove all but the newest `kept_epochs` epochs, and segment files that no kept epoch names.

        With `retired_keys`, the secrets of keys whose time is over are destroyed as well.

        Raises:
            StorageUnavailable: the disk or the database failed; what is visible is whole all the same.
        """
        with self.files.exclusively():
            # Rows first: a file without a row is litter, a row without a file would be a broken promise.
            with self.database.writing() as connection:
                removed = _forget_epochs(connection, kept_epochs)
                kept = frozenset(_published_segments(connection))
                retired = _retired_keys(connection, self.clock())
            files = self.files.prune(kept)
            destroyed = tuple(k for k in self.keys.ids() if retired_keys and k in retired)
            for key_id in destroyed:
                self.keys.destroy(key_id)
        return Collection(removed, tuple(files), destroyed)

    def _hold(self, key: OprfKey, secrets: KeySource | None) -> None:
        if key.retires is not None and milliseconds(times.parse(key.retires)) <= self.clock():
            return
        held = key.id in self.keys.ids()
        try:
            pair = self.keys.load(key.id) if held or secrets is None else secrets(key.id)
        except (KeyStoreError, ListError) as error:
            hint = error.hint or "Its file is where the epoch was built, in the list's folder `keys`, or in a backup."
            raise KeyNotHeld(f"this provider cannot answer with key {key.id}: {error}", hint=hint) from error
        if pair.public.hex() != key.public:
            raise KeyNotHeld(f"the manifest's key {key.id} is not the one held here")
        self.keys.adopt(pair)

    def _keep(self, entry: SegmentEntry, segments: Mapping[str, bytes]) -> None:
        content = segments.get(entry.digest)
        if content is None:
            path = self.files.path(entry.digest)
            if not path.is_file():
                raise SegmentMissing(
                    f"the file of segment {entry.digest} is missing",
                    hint="It is in the folder that `tutela list build` wrote.",
                )
            content = path.read_bytes()
        if len(content) != entry.size or hashlib.sha256(content).hexdigest() != entry.digest:
            raise WrongSegment(f"the file of segment {entry.digest} has another size or digest than the manifest says")
        self.files.put(entry.digest, content)


def _merged(published: Envelope, handed_over: Envelope) -> Envelope:
    """The same payload with the signatures of both; what was just accepted prevails."""
    for signature in handed_over.signatures:
        published = published.with_signature(signature)
    return published


def _published_segments(connection: Connection) -> set[str]:
    return set(connection.scalars(select(tables.Segment.digest)))


def _enter_epoch(connection: Connection, number: int, digest: str, envelope: bytes, published: int | None) -> None:
    row, tag = tables.Epoch, hashlib.sha256(envelope).hexdigest()
    if published is None:
        connection.execute(update(row).where(row.number == number).values(envelope=envelope, tag=tag))
    else:
        values = {"number": number, "digest": digest, "envelope": envelope, "tag": tag, "published": published}
        connection.execute(insert(row).values(values))


def _enter_segments(connection: Connection, epoch: int, entries: Mapping[str, SegmentEntry]) -> None:
    known = _published_segments(connection)
    named = set(connection.scalars(select(tables.EpochSegment.segment).where(tables.EpochSegment.epoch == epoch)))
    for digest, entry in entries.items():
        if digest not in known:
            connection.execute(insert(tables.Segment).values(digest=digest, size=entry.size))
        if digest not in named:
            connection.execute(insert(tables.EpochSegment).values(epoch=epoch, segment=digest))


def _enter_keys(connection: Connection, keys: tuple[OprfKey, ...], now: int) -> None:
    row = tables.Key
    known = {found.id: found.retires for found in connection.execute(select(row.id, row.retires))}
    named = {key.id: milliseconds(times.parse(key.retires)) if key.retires else None for key in keys}
    for key_id, retires in named.items():
        if key_id in known:
            connection.execute(update(row).where(row.id == key_id).values(retires=retires))
        else:
            connection.execute(insert(row).values(id=key_id, retires=retires))
    for key_id in known.keys() - named.keys():
        # A key that the newest epoch does not name has no time left, whatever was promised before.
        ended = now if known[key_id] is None else min(now, known[key_id])
        connection.execute(update(row).where(row.id == key_id).values(retires=ended))


def _forget_epochs(connection: Connection, kept: int) -> tuple[int, ...]:
    row, link = tables.Epoch, tables.EpochSegment
    old = tuple(connection.scalars(select(row.number).order_by(row.number.desc()).offset(kept)))
    connection.execute(delete(link).where(link.epoch.in_(old)))
    connection.execute(delete(row).where(row.number.in_(old)))
    connection.execute(delete(tables.Segment).where(tables.Segment.digest.not_in(select(link.segment))))
    return tuple(sorted(old))


def _retired_keys(connection: Connection, now: int) -> frozenset[str]:
    row = tables.Key
    return frozenset(connection.scalars(select(row.id).where(row.retires <= now)))
