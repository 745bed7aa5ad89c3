"""What a signing key has signed: a file beside it, so that it never signs two epochs of one number.

The folders of a list are the provider's to hand out: whoever shows an authority two of them could have it sign one
epoch in each. This file goes with the key instead. `aurora.pem.signed` holds, for each provider, the last epoch that
the key signed: its number, the digest of its manifest, and a digest of the settings and authorities that it published.
It is written before the signature is given, so that a process killed in between forgets nothing.

What it cannot see is a copy of the key elsewhere: keep one, and move the two files together. A second name of the same
file (a hard link) it does see, and refuses: the record would be beside the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tutela.lists import acceptance, canonical, files
from tutela.lists.authority import public_hex
from tutela.lists.errors import AlreadySigned, BadSigningRecord
from tutela.wire import document
from tutela.wire.errors import WireError
from tutela.wire.manifest import Manifest
from tutela.wire.submission import Hex32, ProviderName

SUFFIX: Final = ".signed"
_LIMIT: Final = 1 << 20
_SETTINGS: Final = ("agreement", "parameters", "policy", "merge_factor", "authorities")


class Signed(document.Document, frozen=True):
    """The last epoch of one provider that the key signed."""

    provider: ProviderName
    epoch: Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
    digest: Hex32
    """SHA-256 of the manifest's payload."""
    settings: Hex32
    """SHA-256 of what it published of rule, parameters, policy, merge schedule and authorities."""


class _File(document.Document, frozen=True):
    version: Literal[1]
    public_key: Hex32
    signed: tuple[Signed, ...]


@dataclass(frozen=True)
class SigningRecord:
    """The record of one key file."""

    key_path: Path
    public_key: str

    @classmethod
    def beside(cls, key_path: Path, key: Ed25519PrivateKey) -> SigningRecord:
        """Return the record of the key in this file; a link leads to the record of the file that it names."""
        return cls(key_path.resolve(), public_hex(key))

    @property
    def path(self) -> Path:
        """Where the record lies, or would."""
        return self.key_path.with_name(self.key_path.name + SUFFIX)

    def last(self, provider: str) -> Signed | None:
        """Return the last epoch of a provider that the key signed; `None` if there was none.

        Raises:
            BadSigningRecord: the record is damaged, or that of another key, or the key file has a second name.
        """
        return next((one for one in self._read() if one.provider == provider), None)

    def check(self, payload: bytes) -> None:
        """Check that the key may sign this manifest: it signed none of this number but this, and no later one.

        Raises:
            AlreadySigned, BadSigningRecord, UnreadableManifest: as they say.
        """
        manifest = acceptance.read(payload)
        last = self.last(manifest.provider)
        if last is None or manifest.epoch > last.epoch or canonical.digest(payload) == last.digest:
            return
        if manifest.epoch == last.epoch:
            raise AlreadySigned(
                f"this key has signed another epoch {last.epoch} of {last.provider}, with the digest {last.digest}",
                hint="never sign two epochs of one number. Ask the provider to go on from the one that you signed, "
                "or to leave it and build the next number",
            )
        raise AlreadySigned(
            f"this key has signed epoch {last.epoch} of {last.provider} already; epoch {manifest.epoch} is older",
            hint="audit the newest epoch instead; if the provider shows you an old one, ask why",
        )

    def changes(self, manifest: Manifest, *, signed_before: bool) -> tuple[str, ...]:
        """Return what a manifest changes of what the key signed last, in sentences.

        The epoch before, in the list's folder, may be another one than the one signed. `signed_before` says whether
        that one bears a signature of the key.
        """
        last = self.last(manifest.provider)
        if last is None:
            lost = f"no record lies beside the key, though it signed epoch {manifest.epoch - 1}: {self.path} is missing"
            return (lost,) if signed_before else ()
        found = []
        if manifest.epoch == last.epoch + 1 and manifest.previous != last.digest:
            found.append(f"it follows another epoch {last.epoch} than the one that this key signed")
        if manifest.epoch > last.epoch + 1 and settings_digest(manifest) != last.settings:
            found.append(
                f"the settings or authorities are not those of epoch {last.epoch}, the last that this key signed: "
                "look at the epochs between"
            )
        return tuple(found)

    def enter(self, payload: bytes) -> None:
        """Put on record that the key signs this manifest. The caller signs it after this, not before.

        Raises:
            StorageFailed: it could not be written, or another process holds the key: do not sign.
            AlreadySigned, BadSigningRecord, UnreadableManifest: as `check`.
        """
        with files.holding(self.key_path):
            self.check(payload)
            manifest = acceptance.read(payload)
            entry = Signed(
                provider=manifest.provider,
                epoch=manifest.epoch,
                digest=canonical.digest(payload),
                settings=settings_digest(manifest),
            )
            others = [one for one in self._read() if one.provider != entry.provider]
            signed = tuple(sorted([*others, entry], key=lambda one: one.provider))
            kept = _File(version=1, public_key=self.public_key, signed=signed)
            files.write(self.path, files.pretty(kept), mode=files.SECRET)

    def _check_one_name(self) -> None:
        # By another name of the same file it would have another record.
        try:
            names = self.key_path.stat().st_nlink
        except OSError as error:
            raise files.failed(self.key_path, error) from error
        if names > 1:
            raise BadSigningRecord(
                f"the key file {self.key_path} has {names} names, and by another one it may have signed something else",
                hint="keep the one with the record beside it and remove the others, which this finds: "
                f"find / -samefile {self.key_path}",
            )

    def _read(self) -> tuple[Signed, ...]:
        self._check_one_name()
        if not (self.path.exists() or self.path.is_symlink()):
            return ()
        damaged = (
            "it says what this key has signed, so nothing is signed without it: restore it from a backup. "
            "If there is none, make a new key and be admitted anew"
        )
        try:
            data = files.read(self.path, limit=_LIMIT)
            kept = document.decode(data, _File, limit=_LIMIT, canonical=False)
        except WireError as error:
            raise BadSigningRecord(f"the record {self.path} is damaged: {error.message}", hint=damaged) from error
        if kept.public_key != self.public_key:
            raise BadSigningRecord(
                f"the record {self.path} is that of another key", hint="keep each key and its record side by side"
            )
        if len({one.provider for one in kept.signed}) != len(kept.signed):
            raise BadSigningRecord(f"the record {self.path} is damaged: it names a provider twice", hint=damaged)
        return kept.signed


def settings_digest(manifest: Manifest) -> str:
    """Return one digest of what a manifest publishes of rule, parameters, policy, merge schedule and authorities."""
    settings = {name: getattr(manifest, name) for name in _SETTINGS}
    return canonical.digest(msgspec.json.encode(settings, order="sorted"))
