"""What is published: manifests, the segments they name, and which keys answer.

Reading only. `publishing` writes; it may be another process, so that nothing here is remembered for longer than the
database says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.errors import (
    KeyRetired,
    NothingPublished,
    StorageUnavailable,
    UnknownEpoch,
    UnknownKey,
    UnknownSegment,
)
from tutela.provider.keys import KEY_ID
from tutela.provider.segments import DIGEST, SegmentFiles
from tutela.provider.tables import Epoch, Key, Segment
from tutela.wire import document, envelope, limits
from tutela.wire.manifest import Manifest


@dataclass(frozen=True)
class Published:
    """One published epoch."""

    number: int
    digest: str
    """SHA-256 of the manifest's payload."""
    envelope: bytes
    """DSSE JSON, as devices fetch it."""
    tag: str
    """SHA-256 of the envelope: it changes when a signature is added."""
    manifest: Manifest


@dataclass(frozen=True)
class SegmentFile:
    """A segment's file, and what the system says of it."""

    path: Path
    stat: os.stat_result


class Epochs:
    """Reads what is published. Safe to share between threads."""

    def __init__(self, database: Database, files: SegmentFiles, clock: Clock) -> None:
        """Read from `database` and `files`."""
        self._database = database
        self._files = files
        self._clock = clock
        self._newest: Published | None = None

    def newest(self) -> Published:
        """Return the newest epoch.

        Raises:
            NothingPublished: there is none.
        """
        known = self._newest
        with self._database.reading() as connection:
            latest = connection.execute(
                select(Epoch.number, Epoch.tag).order_by(Epoch.number.desc()).limit(1)
            ).one_or_none()
            if latest is None:
                raise NothingPublished(
                    "no epoch has been published yet", hint="The operator publishes one with `tutela provider publish`."
                )
            if known is None or (known.number, known.tag) != (latest.number, latest.tag):
                known = self._newest = _read(connection, latest.number)
        assert known is not None
        return known

    def at(self, number: int) -> Published:
        """Return the epoch of this number.

        Raises:
            UnknownEpoch: it never was, or is not kept any more.
        """
        with self._database.reading() as connection:
            found = _read(connection, number)
        if found is None:
            raise UnknownEpoch(f"epoch {number} is not kept here", hint="Fetch /v1/manifest for the newest.")
        return found

    def segment(self, digest: str) -> SegmentFile:
        """Return the file of a published segment.

        Raises:
            UnknownSegment: no kept epoch names it.
            StorageUnavailable: its file is missing.
        """
        row = None
        if DIGEST.fullmatch(digest):
            with self._database.reading() as connection:
                row = connection.scalar(select(Segment.size).where(Segment.digest == digest))
        if row is None:
            raise UnknownSegment("no such segment is kept here", hint="Fetch /v1/manifest for the segments in use.")
        path = self._files.path(digest)
        try:
            return SegmentFile(path, path.stat())
        except OSError as error:
            raise StorageUnavailable(
                f"the file of segment {digest} is missing", hint="Publish the newest epoch again: that restores it."
            ) from error

    def check_key(self, key_id: str) -> None:
        """Pass if the key answers now.

        Raises:
            UnknownKey: it was never published.
            KeyRetired: it has been replaced, and its time is over.
        """
        row = None
        if KEY_ID.fullmatch(key_id):
            with self._database.reading() as connection:
                row = connection.execute(select(Key.retires).where(Key.id == key_id)).one_or_none()
        if row is None:
            raise UnknownKey("no key of this id was ever published here", hint="Fetch /v1/manifest for the key in use.")
        if row.retires is not None and row.retires <= self._clock():
            raise KeyRetired(
                "this key has been replaced and does not answer any more", hint="Fetch /v1/manifest for the key in use."
            )


def _read(connection: Connection, number: int) -> Published | None:
    row = connection.execute(
        select(Epoch.digest, Epoch.envelope, Epoch.tag).where(Epoch.number == number)
    ).one_or_none()
    if row is None:
        return None
    # Verified when it was published; the database is the provider's own.
    payload = envelope.decode(row.envelope).unverified_payload
    manifest = document.decode(payload, Manifest, limit=limits.MANIFEST_BYTES)
    return Published(number, row.digest, row.envelope, row.tag, manifest)
