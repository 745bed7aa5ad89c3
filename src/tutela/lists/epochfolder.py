"""The files of one epoch in a folder. Nothing read here is trusted because it is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tutela.lists import acceptance, canonical, files
from tutela.lists.epoch import Epoch, Published
from tutela.lists.errors import MalformedList, WorkspaceDamaged
from tutela.lists.segments import Layer
from tutela.wire import envelope, limits
from tutela.wire.envelope import Envelope, Signature
from tutela.wire.errors import WireError
from tutela.wire.manifest import MANIFEST_TYPE, Manifest, SegmentEntry
from tutela.wire.submission import ListClass

#: 250,000 hashes are some 16 MB; a list of ten million is 650 MB.
LIST_BYTES = 1 << 30
EVALUATION_BYTES = 1 << 31


@dataclass(frozen=True)
class EpochFolder:
    """The folder of one epoch."""

    path: Path

    @staticmethod
    def contents(epoch: Epoch, before: EpochFolder | None) -> dict[str, bytes | Path]:
        """Return an epoch's files by relative name; those of unchanged layers are where `before` has them."""
        unsigned = Envelope(MANIFEST_TYPE, epoch.payload, ())
        contents: dict[str, bytes | Path] = {"manifest.json": envelope.encode(unsigned) + b"\n"}
        contents |= {f"{list_class}.list": data for list_class, data in epoch.lists.items()}
        new = {layer.entry: layer for layer in epoch.built}
        for entry in epoch.manifest.segments:
            names = _names(entry)
            if entry in new:
                layer = new[entry]
                contents |= zip(names, (layer.items, layer.segment, layer.evaluation), strict=True)
            elif before is not None:
                contents |= {name: before.path / name for name in names}
        return contents

    def envelope(self) -> Envelope:
        """Return the manifest's envelope, unverified.

        Raises:
            WorkspaceDamaged: it does not read.
        """
        path = self.path / "manifest.json"
        try:
            return envelope.decode(files.read(path, limit=limits.ENVELOPE_BYTES))
        except WireError as error:
            raise WorkspaceDamaged(f"{path}: {error.message}") from error

    def manifest(self) -> Manifest:
        """Return the manifest; who signed it is not asked here."""
        return acceptance.read(self.envelope().unverified_payload)

    def published(self) -> Published:
        """Return the manifest and the items of its layers, which must have the digests that it binds.

        Raises:
            WorkspaceDamaged: they have not.
        """
        manifest = self.manifest()
        return Published(manifest, tuple(self._layer(entry) for entry in manifest.segments))

    def list_file(self, list_class: ListClass) -> bytes:
        """Return the canonical file of a list class."""
        return files.read(self.path / f"{list_class}.list", limit=LIST_BYTES)

    def segment_file(self, entry: SegmentEntry) -> bytes:
        """Return a layer's filter."""
        return files.read(self.path / _names(entry)[1], limit=limits.SEGMENT_BYTES)

    def evaluation_file(self, entry: SegmentEntry) -> bytes:
        """Return a layer's evaluations."""
        return files.read(self.path / _names(entry)[2], limit=EVALUATION_BYTES)

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        """Tell whether the manifest bears a valid signature of `key`; a wrong one counts as none."""
        try:
            _, signers = envelope.verify(self.envelope(), MANIFEST_TYPE, {envelope.key_id(key): key})
        except WireError:
            return False
        return bool(signers)

    def add_signature(self, signature: Signature) -> None:
        """Add a signature to the manifest's envelope, replacing one by the same key."""
        signed = self.envelope().with_signature(signature)
        files.write(self.path / "manifest.json", envelope.encode(signed) + b"\n")

    def _layer(self, entry: SegmentEntry) -> Layer:
        name = _names(entry)[0]
        data = files.read(self.path / name, limit=LIST_BYTES)
        if canonical.digest(data) != entry.items_digest:
            raise WorkspaceDamaged(f"{self.path / name} does not have the digest that the manifest binds")
        try:
            items = canonical.decode(data, entry.list_class)
        except MalformedList as error:
            raise WorkspaceDamaged(f"{self.path / name}: {error.message}") from error
        return Layer(entry.list_class, entry.since_epoch, entry.key, items)


def _names(entry: SegmentEntry) -> tuple[str, str, str]:
    """Return where a layer's items, filter and evaluations lie."""
    return (
        f"layers/{entry.items_digest}.list",
        f"segments/{entry.digest}.seg",
        f"evaluations/{entry.items_digest}.eval",
    )
