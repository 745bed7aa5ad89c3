"""The epoch that a device has accepted: kept in the profile, replaced only by one that verifies, all or nothing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tutela import durable
from tutela.device.errors import DamagedProfile, UntrustedAnswer
from tutela.device.profile import Profile
from tutela.lists import acceptance
from tutela.lists.errors import ListError
from tutela.matching.shield import Layer
from tutela.wire import envelope
from tutela.wire.errors import WireError
from tutela.wire.manifest import Manifest, OprfKey, SegmentEntry, TrustRoot
from tutela.wire.segment import Segment

log = logging.getLogger("tutela.device")

_RECORD: Final = "epoch"

Fetch = Callable[[SegmentEntry], Awaitable[bytes]]


@dataclass(frozen=True)
class Epoch:
    """An accepted manifest with its filters."""

    manifest: Manifest
    layers: tuple[Layer, ...]

    @property
    def key(self) -> OprfKey:
        """The OPRF key with which this epoch's filters were built."""
        return self.manifest.keys[0]


class EpochStore:
    """Reads and replaces the accepted epoch.

    `last` is the manifest accepted last. It outlives damage to the filters, so that damage cannot reopen the way back
    to an older epoch, nor to another policy.
    """

    def __init__(self, profile: Profile, root: TrustRoot) -> None:
        """Read what was accepted last, and verify it anew.

        Raises:
            DamagedProfile: it does not verify any more, or the filters' folder lies elsewhere.
            DeviceError: it cannot be read.
        """
        self._profile = profile
        self._root = root
        self._folder = profile.folder / "segments"
        self._check_folder()
        stored = profile.read(_RECORD)
        try:
            self.last = acceptance.accept(envelope.decode(stored), root, last=None) if stored is not None else None
        except (WireError, ListError) as error:
            raise DamagedProfile(f"the stored epoch does not verify: {error}") from error

    def load(self) -> Epoch | None:
        """Return the epoch accepted last, or `None` if there is none or its filters are missing or damaged."""
        if self.last is None:
            return None
        try:
            return Epoch(self.last, tuple(self._layer(entry) for entry in self.last.segments))
        except (UntrustedAnswer, OSError) as error:
            log.warning("a filter must be fetched anew: %s", error)
            return None

    async def replace(self, data: bytes, fetch: Fetch) -> Epoch:
        """Verify a manifest's envelope, `fetch` the segments that are missing here, then make it the accepted epoch.

        Raises:
            WireError, ListError: the manifest does not verify, or is older than `last`.
            UntrustedAnswer: a segment is not the one that the manifest binds.
            DamagedProfile: the filters' folder lies elsewhere.
        """
        manifest = acceptance.accept(envelope.decode(data), self._root, last=self.last)
        self._folder.mkdir(exist_ok=True)
        self._check_folder()
        durable.sweep(self._folder)
        for entry in manifest.segments:
            if not self._has(entry):
                content = await fetch(entry)
                _verify(entry, content)
                durable.replace(self._path(entry.digest), content, mode=durable.SECRET)
        epoch = Epoch(manifest, tuple(self._layer(entry) for entry in manifest.segments))
        self._profile.write(_RECORD, data)
        self.last = manifest
        self._drop_all_but(manifest)
        return epoch

    def _check_folder(self) -> None:
        # What an epoch does not need any more is deleted there, which must not be done to a stranger's files.
        if self._folder.is_symlink():
            raise DamagedProfile(f"{self._folder} is a link", hint="Remove the link; the filters are fetched anew.")

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.seg"

    def _has(self, entry: SegmentEntry) -> bool:
        path = self._path(entry.digest)
        try:
            _verify(entry, path.read_bytes())
        except (OSError, UntrustedAnswer):
            return False
        return True

    def _layer(self, entry: SegmentEntry) -> Layer:
        content = self._path(entry.digest).read_bytes()
        return Layer(entry.list_class, _verify(entry, content))

    def _drop_all_but(self, manifest: Manifest) -> None:
        kept = {entry.digest for entry in manifest.segments}
        for path in self._folder.glob("*.seg"):
            if path.stem not in kept:
                path.unlink(missing_ok=True)


def _verify(entry: SegmentEntry, content: bytes) -> Segment:
    """Return the filter in `content` if it is the file that an accepted manifest binds.

    Raises:
        UntrustedAnswer: it is not.
    """
    try:
        acceptance.check_segment(entry, content)
        return Segment.decode(content)
    except (ListError, WireError) as error:
        raise UntrustedAnswer(f"a filter segment was refused: {error}") from error
