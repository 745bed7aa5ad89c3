"""A list in a plain folder, fit for git, that provider and authorities share::

    list.json                             what the provider decided: rule, parameters, policy
    authorities/<id>.json                 who is admitted
    submissions/<id>/<number>.json        signed submissions (DSSE envelopes)
    epochs/<number>/manifest.json         the manifest in its envelope, with the signatures so far
    epochs/<number>/agreed.list, attested.list
    epochs/<number>/layers/<items digest>.list
    epochs/<number>/segments/<digest>.seg
    epochs/<number>/evaluations/<items digest>.eval
    keys/<key id>.key                     the OPRF's secrets: the provider's alone, ignored by git

Contract: a file is the old one or the new one, and an epoch is there wholly or not at all, whenever a process is
killed or the disk is full. One process writes at a time. What is read is verified before it is relied on.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tutela import durable
from tutela.lists import agreement, errors, files, keyfile, submission
from tutela.lists.audit import Held
from tutela.lists.authority import public_hex, public_key_of
from tutela.lists.epoch import Epoch, Progress, Published, Settings, build
from tutela.lists.epochfolder import EpochFolder
from tutela.lists.keys import KeyRing, RetiringKey, rotated_until
from tutela.lists.signing_record import SigningRecord
from tutela.lists.submission import Chain
from tutela.matching import voprf
from tutela.wire import document, envelope, limits
from tutela.wire.envelope import Envelope
from tutela.wire.errors import WireError
from tutela.wire.manifest import MANIFEST_TYPE, Authority, Manifest, SegmentEntry, TrustRoot
from tutela.wire.submission import ListClass

_Document = TypeVar("_Document", bound=document.Document)
_SETTINGS: Final = "list.json"
_FOLDERS: Final = ("authorities", "submissions", "epochs", "keys")
_IGNORED: Final = "# Secrets stay here.\nkeys/\n.lock\n.*.part\n"


@dataclass(frozen=True)
class Workspace:
    """The folder of one list."""

    root: Path
    settings: Settings

    @classmethod
    def create(cls, root: Path, settings: Settings) -> Workspace:
        """Make a new list in `root`, which may exist but must not hold a list.

        Raises:
            AlreadyThere: there is a list already.
            StorageFailed: it could not be written.
        """
        files.make_folder(root)
        if (root / _SETTINGS).exists():
            raise errors.AlreadyThere(f"{root} holds a list already")
        files.write(root / ".gitignore", _IGNORED.encode())
        files.create(root / _SETTINGS, files.pretty(settings))
        return cls(root, settings)

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Open the list in `root`.

        Raises:
            WorkspaceDamaged: there is none, or its settings do not read.
        """
        path = root / _SETTINGS
        if not path.is_file():
            raise errors.WorkspaceDamaged(
                f"{'the current folder' if root == Path() else root} holds no list",
                hint="name the list's folder with --list or TUTELA_LIST; "
                "a new one is made with: tutela list init FOLDER --provider NAME",
            )
        return cls(root, _document(path, Settings))

    def authorities(self) -> tuple[Authority, ...]:
        """Return who is admitted, by id."""
        found = []
        for path in sorted((self.root / "authorities").glob("*.json")):
            authority = _document(path, Authority)
            if authority.id != path.stem:
                raise errors.WorkspaceDamaged(f"{path} describes {authority.id}")
            found.append(authority)
        return tuple(sorted(found, key=lambda one: one.id))

    def authority(self, authority_id: str) -> Authority:
        """Return one of those admitted.

        Raises:
            UnknownAuthority: not admitted.
        """
        for authority in self.authorities():
            if authority.id == authority_id:
                return authority
        raise errors.UnknownAuthority(
            f"{authority_id} is not an authority of this list",
            hint="check the spelling; the provider admits one with: tutela list admit DESCRIPTOR",
        )

    def member(self, key: Ed25519PrivateKey) -> Authority:
        """Return the admitted authority whose key this is.

        Raises:
            UnknownAuthority: it is nobody's here.
        """
        public = public_hex(key)
        for authority in self.authorities():
            if authority.public_key == public:
                return authority
        raise errors.UnknownAuthority(
            f"the key {envelope.key_id(key.public_key())} is not that of an authority of this list",
            hint="check --key and --list; `tutela authority show` tells the key id of a key and of a descriptor",
        )

    def admit(self, authority: Authority) -> None:
        """Admit an authority.

        Raises:
            AlreadyThere: one of that id, or with that key, is admitted.
        """
        with self._writing():
            if any(one.public_key == authority.public_key for one in self.authorities()):
                raise errors.AlreadyThere(f"an authority with the key of {authority.id} is admitted already")
            folder = self.root / "authorities"
            files.make_folder(folder)
            files.create(folder / f"{authority.id}.json", files.pretty(authority))

    def submissions(self, authority_id: str) -> tuple[Envelope, ...]:
        """Return an authority's submissions in order, unverified.

        Raises:
            WorkspaceDamaged: a file is missing or does not read.
        """
        folder = self.root / "submissions" / authority_id
        numbers = _numbers(folder, ".json")
        if numbers != list(range(1, len(numbers) + 1)):
            raise errors.WorkspaceDamaged(f"{folder} does not hold the submissions 1 to {max(numbers)} without gaps")
        return tuple(_envelope(folder / f"{number}.json") for number in numbers)

    def chain(self, authority_id: str) -> Chain:
        """Return an authority's verified submissions.

        Raises:
            UnknownAuthority, SubmissionRefused, WorkspaceDamaged: as they say.
        """
        return self._replayed(self.authority(authority_id))

    def chains(self) -> tuple[Chain, ...]:
        """Return everybody's verified submissions; raises as `chain`."""
        return tuple(self._replayed(one) for one in self.authorities())

    def submit(self, signed: Envelope) -> Chain:
        """Verify a submission and keep it.

        Raises:
            UnknownAuthority, SubmissionRefused: it is refused, with a class for each reason.
            TooManyNearHashes: the list would hold too many nearly equal hashes to be built; says who crowds most.
            WorkspaceDamaged: somebody's submissions so far do not read.
            StorageFailed: it could not be kept.
        """
        with self._writing():
            authority = self.authority(submission.unverified_author(signed))
            before = self._replayed(authority)
            chain = submission.extend(before, signed, self.settings.agreement)
            if chain.standing[ListClass.AGREED].keys() - before.standing[ListClass.AGREED].keys():
                # With everybody else's: hashes that are few beside each other may be many beside another's.
                others = [self._replayed(one) for one in self.authorities() if one.id != authority.id]
                agreement.vouched([*others, chain], self.settings.agreement)
            assert chain.head is not None
            folder = self.root / "submissions" / authority.id
            files.make_folder(folder)
            files.create(folder / f"{chain.head.number}.json", envelope.encode(signed) + b"\n")
            return chain

    def epochs(self) -> list[int]:
        """Return the numbers of the epochs, ascending."""
        return _numbers(self.root / "epochs", "")

    def epoch(self, number: int | None = None) -> EpochFolder:
        """Return an epoch's files, by default the newest one's.

        Raises:
            WorkspaceDamaged: there is no such epoch.
        """
        numbers = self.epochs()
        if not numbers:
            raise errors.WorkspaceDamaged("there is no epoch yet", hint="build one with: tutela list build")
        wanted = numbers[-1] if number is None else number
        if wanted not in numbers:
            raise errors.WorkspaceDamaged(f"there is no epoch {wanted}; the newest is {numbers[-1]}")
        return EpochFolder(self.root / "epochs" / str(wanted))

    def published(self, number: int) -> Published | None:
        """Return what the epoch after `number` needs of it; `None` before the first."""
        return self.epoch(number).published() if number > 0 else None

    def key_ring(self, previous: Published, *, at: str) -> KeyRing:
        """Return the secrets of the keys that an epoch names, but for those that have retired before `at`.

        Raises:
            BadKeyFile: one of them is not here.
        """
        folder = self.root / "keys"
        current, *retiring = previous.manifest.keys
        return KeyRing(
            keyfile.load(folder, current.id),
            tuple(
                RetiringKey(keyfile.load(folder, key.id), key.retires)
                for key in retiring
                if key.retires is not None and key.retires >= at
            ),
        )

    def build(
        self,
        *,
        created: str,
        rotate_until: str | None = None,
        again: bool = False,
        random: voprf.RandomBytes = secrets.token_bytes,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> Epoch:
        """Build the next epoch and keep it, unsigned.

        With `rotate_until`, a new key is made, and the one before answers until then; `created` means at once.
        With `again`, the newest epoch is built anew, if nobody signed it; a new key that it has stays, and one that it
        retires at once does not come back.

        Raises:
            BuildRefused, ManifestRefused, SubmissionRefused, BadKeyFile, StorageFailed: as they say.
        """
        with self._writing():
            number = (self.epochs() or [0])[-1]
            replaced = None
            if again and number > 0:
                if self.epoch(number).envelope().signatures:
                    raise errors.BuildRefused(f"epoch {number} is signed; build the next one instead")
                replaced = self.epoch(number).manifest()
                number -= 1
            previous = self.published(number)
            made = build(
                self.settings,
                self.chains(),
                self._keys_for(previous, replaced, created, rotate_until, random),
                created=created,
                previous=previous,
                random=random,
                workers=workers,
                progress=progress,
            )
            target = self.root / "epochs" / str(number + 1)
            if again and target.exists():
                files.remove_folder(target)
            kept = self.epoch(number) if number > 0 else None
            files.create_folder(target, EpochFolder.contents(made, kept))
            return made

    def held(self, number: int, signer: Ed25519PrivateKey | None, *, full: bool = False) -> Held:
        """Return what an auditor of epoch `number` holds here.

        Layers of the epoch before count as verified if `signer` signed it, unless everything is to be done in `full`.
        """
        authorities = self.authorities()
        previous = self.published(number - 1)
        verified: frozenset[SegmentEntry] = frozenset()
        unsigned_past = False
        if signer is not None and previous is not None:
            signed = self.epoch(number - 1).signed_by(signer.public_key())
            verified = frozenset(previous.manifest.segments) if signed and not full else verified
            unsigned_past = not signed
        return Held(
            settings=self.settings,
            authorities=authorities,
            submissions={one.id: self.submissions(one.id) for one in authorities},
            previous=previous,
            verified=verified,
            unsigned_past=unsigned_past,
        )

    def approve(
        self, number: int, payload: bytes, key: Ed25519PrivateKey, record: SigningRecord | None = None
    ) -> EpochFolder:
        """Add a signature to an epoch whose payload was audited, and put it on the key's `record`.

        A key that only ever lives in memory has no record.

        Raises:
            UnknownAuthority: the key is none of an admitted authority's.
            WorkspaceDamaged: the manifest changed since it was audited.
            AlreadySigned, BadSigningRecord: the key signed another epoch of this number, or its record is damaged.
        """
        with self._writing():
            self.member(key)
            folder = self.epoch(number)
            if folder.envelope().unverified_payload != payload:
                raise errors.WorkspaceDamaged("the manifest changed since it was audited", hint="audit it again")
            if record is not None:
                record.enter(payload)
            folder.add_signature(envelope.sign(MANIFEST_TYPE, payload, key))
            return folder

    def collect(self, number: int, other: Envelope) -> tuple[str, ...]:
        """Take over the signatures on another copy of an epoch's manifest; return whose they are.

        Raises:
            WorkspaceDamaged: it is a copy of another manifest.
            ForgedManifest: a signature that names an authority of this list does not verify.
        """
        with self._writing():
            folder = self.epoch(number)
            if folder.envelope().unverified_payload != other.unverified_payload:
                raise errors.WorkspaceDamaged(f"the file is not a copy of the manifest of epoch {number}")
            by_key = {envelope.key_id(public_key_of(one)): one for one in self.authorities()}
            try:
                keys = {key: public_key_of(one) for key, one in by_key.items()}
                _, signers = envelope.verify(other, MANIFEST_TYPE, keys)
            except WireError as error:
                raise errors.ForgedManifest(error.message) from error
            for signature in other.signatures:
                if signature.key_id in signers:
                    folder.add_signature(signature)
            return tuple(sorted(by_key[key].id for key in signers))

    def signers(self, number: int) -> tuple[Authority, ...]:
        """Return the admitted authorities whose valid signatures an epoch bears."""
        folder = self.epoch(number)
        return tuple(one for one in self.authorities() if folder.signed_by(public_key_of(one)))

    def trust_root(self, *, signatures: int, jurisdictions: int, minimum_epoch: int) -> TrustRoot:
        """Return what a client of this provider ships with."""
        return TrustRoot(
            provider=self.settings.provider,
            authorities=self.authorities(),
            signatures=signatures,
            jurisdictions=jurisdictions,
            minimum_epoch=minimum_epoch,
        )

    def _replayed(self, authority: Authority) -> Chain:
        return submission.replay(Chain(authority, self.settings.provider), self.submissions(authority.id))

    def _keys_for(
        self,
        previous: Published | None,
        replaced: Manifest | None,
        created: str,
        rotate_until: str | None,
        random: voprf.RandomBytes,
    ) -> KeyRing:
        ring = self.key_ring(previous, at=created) if previous is not None else None
        pending = rotated_until(previous.manifest, replaced) if previous and replaced else None
        kept = None
        if replaced is not None and pending is not None:
            if rotate_until is None:
                kept = keyfile.load(self.root / "keys", replaced.keys[0].id)
            at_once = pending <= replaced.created  # what may have leaked is let back by nobody
            rotate_until = created if at_once else rotate_until or max(pending, created)
        if ring is not None and rotate_until is None:
            return ring
        new = kept or voprf.key_pair(voprf.random_scalar(random))
        if kept is None:
            # Kept before it is used: an epoch whose key is lost would be worth nothing.
            keyfile.keep(self.root / "keys", new)
        if ring is None or rotate_until is None:
            return KeyRing(new)
        return ring.rotated(new, retires=rotate_until)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with files.exclusively(self.root):
            folders = [self.root / name for name in _FOLDERS]
            for folder in (*folders, *self.root.glob("epochs/*"), *self.root.glob("submissions/*")):
                files.check_not_linked(folder)
                durable.sweep(folder)
            durable.sweep(self.root)
            yield


def _numbers(folder: Path, suffix: str) -> list[int]:
    if not folder.is_dir():
        return []
    stems = [path.name.removesuffix(suffix) for path in folder.iterdir() if path.name.endswith(suffix)]
    return sorted(int(stem) for stem in stems if stem.isdecimal() and stem == str(int(stem)))


def _document(path: Path, kind: type[_Document]) -> _Document:
    try:
        data = files.read(path, limit=limits.MANIFEST_BYTES)
        return document.decode(data, kind, limit=limits.MANIFEST_BYTES, canonical=False)
    except WireError as error:
        raise errors.WorkspaceDamaged(f"{path}: {error.message}") from error


def _envelope(path: Path) -> Envelope:
    try:
        return envelope.decode(files.read(path, limit=limits.ENVELOPE_BYTES))
    except WireError as error:
        raise errors.WorkspaceDamaged(f"{path}: {error.message}") from error
