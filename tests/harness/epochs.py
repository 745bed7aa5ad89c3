"""Accepted epochs in memory, from a few hashes: what tests of the device, the provider and the lists start from."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tutela.lists import defaults, submission
from tutela.lists.audit import Held
from tutela.lists.epoch import Epoch, Published, Settings, build
from tutela.lists.keys import KeyRing
from tutela.lists.submission import Chain
from tutela.matching import voprf
from tutela.wire import document
from tutela.wire.envelope import Envelope, seal
from tutela.wire.manifest import MANIFEST_TYPE, Authority, Manifest, Parameters, Policy, SegmentEntry, TrustRoot
from tutela.wire.submission import Item, ListClass

CREATED = "2026-01-05T06:00:00Z"


@dataclass(frozen=True)
class Signer:
    """A list authority with its signing key."""

    authority: Authority
    key: Ed25519PrivateKey


@dataclass(frozen=True)
class EpochInMemory:
    """The files of an epoch (`lists.audit.EpochFiles`); a test replaces one to see it caught."""

    lists: dict[ListClass, bytes]
    segments: dict[str, bytes]
    """By the segment's digest."""
    evaluations: dict[str, bytes]
    """By the segment's digest."""

    def list_file(self, list_class: ListClass) -> bytes:
        return self.lists[list_class]

    def segment_file(self, entry: SegmentEntry) -> bytes:
        return self.segments[entry.digest]

    def evaluation_file(self, entry: SegmentEntry) -> bytes:
        return self.evaluations[entry.digest]


@dataclass(frozen=True)
class MadeEpoch:
    """An epoch that a device accepts, with everything that made it."""

    envelope: Envelope
    manifest: Manifest
    trust_root: TrustRoot
    segments: dict[str, bytes]
    """All segment files of this epoch, by digest."""
    key_ring: KeyRing
    signers: tuple[Signer, ...]
    settings: Settings
    epoch: Epoch
    chains: tuple[Chain, ...]
    submissions: dict[str, tuple[Envelope, ...]] = field(default_factory=dict)
    """Signed submissions, in order, by authority."""
    evaluations: dict[str, bytes] = field(default_factory=dict)
    """All evaluation files of this epoch, by the segment's digest."""

    @property
    def keys(self) -> voprf.KeyPair:
        """The OPRF key pair of this epoch."""
        return self.key_ring.current

    @property
    def published(self) -> Published:
        return self.epoch.published

    @property
    def files(self) -> EpochInMemory:
        return EpochInMemory(dict(self.epoch.lists), dict(self.segments), dict(self.evaluations))

    def held(self, previous: MadeEpoch | None = None, **other: object) -> Held:
        """What an honest auditor holds when this epoch arrives."""
        held = Held(
            settings=self.settings,
            authorities=tuple(signer.authority for signer in self.signers),
            submissions=self.submissions,
            previous=previous.published if previous else None,
        )
        return dataclasses.replace(held, **other)  # type: ignore[arg-type]

    def seal(self, manifest: Manifest) -> Envelope:
        """Any manifest, signed by both authorities."""
        return seal(MANIFEST_TYPE, document.encode(manifest), *(signer.key for signer in self.signers))


def make_hashes(count: int, label: str = "item") -> list[str]:
    """Distinct hashes that lie far from each other."""
    return [hashlib.sha256(f"{label} {i}".encode()).hexdigest() for i in range(count)]


def make_signer(name: str, jurisdiction: str) -> Signer:
    """A list authority whose key follows from its name."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"authority {name}".encode()).digest())
    public = key.public_key().public_bytes_raw().hex()
    return Signer(Authority(id=name, name=name.title(), jurisdiction=jurisdiction, public_key=public), key)


def make_keys(name: str = "first") -> voprf.KeyPair:
    """An OPRF key pair that follows from a name."""
    return voprf.derive_key_pair(hashlib.sha256(name.encode()).digest(), b"tests")


SIGNERS = (make_signer("aurora", "FI"), make_signer("boreal", "CA"))


def make_epoch(
    hashes: Iterable[str] = (),
    attested: Iterable[str] = (),
    *,
    single: Iterable[str] = (),
    provider: str = "provider.example",
    created: str = CREATED,
    parameters: Parameters = defaults.PARAMETERS,
    policy: Policy = defaults.POLICY,
    key_ring: KeyRing | None = None,
    previous: MadeEpoch | None = None,
    quality: int = 100,
) -> MadeEpoch:
    """Build, and have two authorities sign, an epoch that lists exactly these hashes.

    `hashes` are vouched for by both authorities, `single` by the first alone (so they are not listed), `attested` by
    a feed of the second. With `previous`, what it lists beyond these is withdrawn and the epoch follows it.
    """
    settings = Settings(provider=provider, parameters=parameters, policy=policy)
    key_ring = key_ring or (previous.key_ring if previous else KeyRing(make_keys()))
    both = set(hashes)
    wanted = (
        {ListClass.AGREED: both | set(single), ListClass.ATTESTED: set()},
        {ListClass.AGREED: both, ListClass.ATTESTED: set(attested)},
    )
    chains = previous.chains if previous else tuple(Chain(signer.authority, provider) for signer in SIGNERS)
    history = dict(previous.submissions) if previous else {signer.authority.id: () for signer in SIGNERS}
    moved = []
    for before, signer, classes in zip(chains, SIGNERS, wanted, strict=True):
        after = before
        for list_class, want in classes.items():
            signed = _difference(after, signer, list_class, want, created, quality)
            if signed is not None:
                after = submission.extend(after, signed, settings.agreement)
                history[signer.authority.id] = (*history[signer.authority.id], signed)
        moved.append(after)
    epoch = build(settings, moved, key_ring, created=created, previous=previous.published if previous else None)
    kept = previous.segments if previous else {}
    files = {**kept, **{layer.entry.digest: layer.segment for layer in epoch.built}}
    proved = {**(previous.evaluations if previous else {}), **{x.entry.digest: x.evaluation for x in epoch.built}}
    return MadeEpoch(
        envelope=seal(MANIFEST_TYPE, epoch.payload, *(signer.key for signer in SIGNERS)),
        manifest=epoch.manifest,
        trust_root=TrustRoot(
            provider=provider,
            authorities=tuple(signer.authority for signer in SIGNERS),
            signatures=2,
            jurisdictions=2,
            minimum_epoch=0,
        ),
        segments={entry.digest: files[entry.digest] for entry in epoch.manifest.segments},
        key_ring=key_ring,
        signers=SIGNERS,
        settings=settings,
        epoch=epoch,
        chains=tuple(moved),
        submissions=history,
        evaluations={entry.digest: proved[entry.digest] for entry in epoch.manifest.segments},
    )


def _difference(
    chain: Chain, signer: Signer, list_class: ListClass, want: set[str], created: str, quality: int
) -> Envelope | None:
    stands = set(chain.standing[list_class])
    if stands == want:
        return None
    verified_by = ("An Example Board",) if list_class is ListClass.ATTESTED else ()
    made = chain.next(
        created=created,
        list_class=list_class,
        vouched=[Item(pdq=pdq, quality=quality, verified_by=verified_by) for pdq in want - stands],
        withdrawn=stands - want,
    )
    return submission.seal(made, signer.key)
