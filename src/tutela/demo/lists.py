"""Two list authorities in different jurisdictions and the epochs they sign, through the same code as their commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tutela.lists import authority, submission
from tutela.lists.audit import Audit, audit
from tutela.lists.epoch import Settings
from tutela.lists.epochfolder import EpochFolder
from tutela.lists.workspace import Workspace
from tutela.signals.image import Pdq, pdq_of_list_item
from tutela.wire.manifest import Authority, TrustRoot
from tutela.wire.submission import Item

#: Invented organisations; the jurisdictions are real, so that the rule has something to count.
NORTH: Final = ("north.example", "Northern Hotline", "FI")
SOUTH: Final = ("south.example", "Southern Centre", "CA")


@dataclass(frozen=True)
class ListAuthority:
    """An authority, with its signing key at hand."""

    descriptor: Authority
    key: Ed25519PrivateKey

    @classmethod
    def make(cls, authority_id: str, name: str, jurisdiction: str) -> Self:
        """Make an authority with a new key."""
        key = Ed25519PrivateKey.generate()
        return cls(authority.describe(key, authority_id=authority_id, name=name, jurisdiction=jurisdiction), key)


@dataclass(frozen=True)
class DemoList:
    """A list that two authorities keep together."""

    workspace: Workspace
    authorities: tuple[ListAuthority, ListAuthority]

    @classmethod
    def make(cls, folder: Path, provider: str) -> Self:
        """Make an empty list, with both authorities admitted."""
        workspace = Workspace.create(folder, Settings(provider=provider))
        made = ListAuthority.make(*NORTH), ListAuthority.make(*SOUTH)
        for one in made:
            workspace.admit(one.descriptor)
        return cls(workspace, made)

    def vouch(self, one: ListAuthority, pictures: list[bytes], *, created: str) -> list[Pdq]:
        """Have an authority hash its own copies of pictures and vouch for them in a signed submission."""
        hashes = [pdq_of_list_item(picture) for picture in pictures]
        chain = self.workspace.chain(one.descriptor.id)
        made = chain.next(created=created, vouched=[Item(pdq=pdq.hex, quality=pdq.quality) for pdq in hashes])
        self.workspace.submit(submission.seal(made, one.key))
        return hashes

    def publishable(self, *, created: str) -> tuple[EpochFolder, list[Audit]]:
        """Build the next epoch, and have each authority audit and sign it."""
        number = self.workspace.build(created=created).manifest.epoch
        folder = self.workspace.epoch(number)
        payload = folder.envelope().unverified_payload
        audits = []
        for one in self.authorities:
            done = audit(payload, folder, self.workspace.held(number, one.key))
            self.workspace.approve(number, done.payload, one.key)
            audits.append(done)
        return self.workspace.epoch(number), audits

    @property
    def trust_root(self) -> TrustRoot:
        """What the clients ship with."""
        return self.workspace.trust_root(signatures=2, jurisdictions=2, minimum_epoch=0)
