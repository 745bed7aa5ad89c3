"""What a device accepts. The proof of a check shows that one key was used, not that the filter holds vouched items;
so a device takes keys, filters and policy only from a manifest that list authorities rebuilt and signed.

The checks, in order; the code below bears the same numbers:

1. The trust root is satisfiable and names no key twice.
2. It is a manifest in a signed envelope, within the limits, in canonical form; nothing is read before 3 holds.
3. At least `root.signatures` authorities of the trust root signed it, of at least `root.jurisdictions` jurisdictions,
   and no signature that names one of them is wrong.
4. It is this provider's.
5. Its parts fit together, and its rule asks for two authorities of different jurisdictions at least (`consistency`).
6. It is not older than `root.minimum_epoch`.
7. It is newer than the last accepted, or the very same; if it is the next one, it names the last by its digest.

What the caller still owes: every segment file must have the digest and size that the manifest binds
(`check_segment`), and the answers to checks must prove the manifest's key (`matching.shield`).

Not yet: signers that collude can show two users different epochs (a split view), which no single device can see.
The public log with independent witnesses is what will show it.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tutela.lists import canonical, errors
from tutela.lists.authority import public_key_of
from tutela.lists.consistency import check_manifest
from tutela.lists.epoch import digest_of
from tutela.wire import document, limits
from tutela.wire.envelope import Envelope, key_id, verify
from tutela.wire.errors import BadSignature, WireError
from tutela.wire.manifest import MANIFEST_TYPE, Authority, Manifest, SegmentEntry, TrustRoot

_MORE_SIGNATURES: Final = (
    "have more authorities audit and sign it (tutela list approve), "
    "and take over what they signed elsewhere (tutela list collect)"
)


def accept(envelope: Envelope, root: TrustRoot, *, last: Manifest | None) -> Manifest:
    """Return the manifest in `envelope` if a device that last accepted `last` may accept it.

    Raises:
        ManifestRefused: with a class for each reason; see `lists.errors`.
    """
    by_key = trusted_keys(root)  # 1
    try:
        payload, signers = verify(envelope, MANIFEST_TYPE, {k: public for k, (public, _) in by_key.items()})  # 2
    except BadSignature as error:
        raise errors.ForgedManifest(error.message, hint="ask the provider for the epoch again") from error
    except WireError as error:
        raise errors.UnreadableManifest(error.message) from error
    _check_signers([by_key[key][1] for key in signers], root)  # 3
    manifest = read(payload)
    if manifest.provider != root.provider:  # 4
        raise errors.OtherProvider(f"an epoch of {manifest.provider} is not one of {root.provider}")
    check_manifest(manifest)  # 5
    if manifest.epoch < root.minimum_epoch:  # 6
        raise errors.EpochTooOld(f"epoch {manifest.epoch} is older than {root.minimum_epoch}, the oldest allowed")
    if last is not None:
        _check_order(manifest, last)  # 7
    return manifest


def read(payload: bytes) -> Manifest:
    """Parse a manifest's payload.

    Raises:
        UnreadableManifest: not a canonical manifest, or too large.
    """
    try:
        return document.decode(payload, Manifest, limit=limits.MANIFEST_BYTES)
    except WireError as error:
        raise errors.UnreadableManifest(error.message) from error


def trusted_keys(root: TrustRoot) -> dict[str, tuple[Ed25519PublicKey, Authority]]:
    """Return the trust root's authorities by the id of their key.

    Raises:
        BadTrustRoot: it names one twice, or asks for more than it names.
    """
    by_key: dict[str, tuple[Ed25519PublicKey, Authority]] = {}
    for authority in root.authorities:
        public = public_key_of(authority)
        by_key[key_id(public)] = (public, authority)
    ids = {authority.id for authority in root.authorities}
    if len(by_key) != len(root.authorities) or len(ids) != len(root.authorities):
        raise errors.BadTrustRoot("the trust root names an authority or a key twice")
    jurisdictions = {authority.jurisdiction for authority in root.authorities}
    if len(ids) < root.signatures or len(jurisdictions) < root.jurisdictions:
        raise errors.BadTrustRoot(
            f"the trust root asks for {root.signatures} authorities of {root.jurisdictions} jurisdictions "
            f"and names {len(ids)} of {len(jurisdictions)}",
            hint="admit more authorities (tutela list admit), or ask for fewer: no less than 2 of 2 will do",
        )
    return by_key


def check_segment(entry: SegmentEntry, data: bytes) -> None:
    """Check that `data` is the segment file that an accepted manifest binds.

    Raises:
        SegmentMismatch: another size or digest.
    """
    if len(data) != entry.size or canonical.digest(data) != entry.digest:
        raise errors.SegmentMismatch(
            f"a segment is not the one that the manifest names {entry.digest[:16]}…",
            hint="download it again; if it stays so, the provider serves files that nobody signed",
        )


def _check_signers(signers: list[Authority], root: TrustRoot) -> None:
    if len(signers) < root.signatures:
        who = ", ".join(sorted(one.id for one in signers)) or "nobody"
        raise errors.TooFewSignatures(
            f"of the authorities that are trusted here, {who} signed the epoch; {root.signatures} are needed",
            hint=_MORE_SIGNATURES,
        )
    jurisdictions = {authority.jurisdiction for authority in signers}
    if len(jurisdictions) < root.jurisdictions:
        raise errors.TooFewJurisdictions(
            f"the epoch is signed from {', '.join(sorted(jurisdictions))} alone; "
            f"{root.jurisdictions} jurisdictions are needed",
            hint=_MORE_SIGNATURES,
        )


def _check_order(manifest: Manifest, last: Manifest) -> None:
    if manifest.epoch < last.epoch:
        raise errors.Rollback(f"epoch {manifest.epoch} is older than epoch {last.epoch}, which was already accepted")
    if manifest.epoch == last.epoch and manifest != last:
        raise errors.Equivocation(f"there are two different epochs of number {last.epoch}")
    if manifest.epoch == last.epoch + 1 and manifest.previous != digest_of(last):
        raise errors.BrokenHistory(f"epoch {manifest.epoch} does not follow the epoch {last.epoch} accepted here")
