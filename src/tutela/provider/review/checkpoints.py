"""Checkpoints of the audit log: what the provider signs about it, and what anybody can check.

None is signed that does not follow the one before: the last one is kept outside of the database, so that whoever can
change that alone cannot have a changed log signed. Whoever can change both is noticed by those who keep older
checkpoints. (C2SP tlog-checkpoint; the leaves are lines of JSON, hashed as in RFC 6962.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tutela import durable
from tutela.provider.database import Database
from tutela.provider.errors import DamagedAudit, StorageUnavailable
from tutela.provider.review import audit
from tutela.transparency import checkpoint
from tutela.transparency.checkpoint import Checkpoint
from tutela.transparency.errors import TransparencyError
from tutela.transparency.merkle import Tree, consistency_proof, tree_root
from tutela.transparency.note import SigningKey


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one log."""

    database: Database
    key: SigningKey
    path: Path
    """Where the last one that was signed is kept."""

    def sign(self) -> bytes:
        """Verify the log, and return its newest checkpoint, signed (a note).

        Raises:
            DamagedAudit: the log is not what it was.
            StorageUnavailable: the checkpoint cannot be kept.
        """
        newest = self.verified()
        signed = checkpoint.sign(newest, self.key)
        try:
            durable.replace(self.path, signed, mode=durable.PUBLIC)
        except OSError as error:
            raise StorageUnavailable(f"cannot keep the checkpoint {self.path}: {error.strerror}") from error
        return signed

    def verified(self, older: bytes | None = None) -> Checkpoint:
        """Verify the whole log, that it follows its last checkpoint, and `older`, too; return where it ends.

        Raises:
            DamagedAudit: it is not what it was.
            TransparencyError: `older` is no checkpoint of this log.
        """
        wanted = [] if older is None else [checkpoint.read(older, self.key.verifier)]
        if (last := self._last()) is not None:
            wanted.append(last)
        head = audit.verify(self.database)
        newest = Checkpoint(self.key.name, head.size, head.root)
        if wanted:
            tree = Tree(audit.hashes(self.database, head.size))
            for one in wanted:
                _check_follows(newest, one, tree)
        return newest

    def _last(self) -> Checkpoint | None:
        try:
            return checkpoint.read(self.path.read_bytes(), self.key.verifier)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(f"cannot read the checkpoint {self.path}: {error.strerror}") from error
        except TransparencyError as error:
            raise DamagedAudit(
                f"the last checkpoint, in {self.path}, cannot be used: {error}",
                hint="If the audit key was made anew, move that file away, and tell those who keep checkpoints.",
            ) from error


def check_leaves(leaves: Iterable[bytes], signed: Checkpoint, older: Checkpoint | None = None) -> None:
    """Check that `leaves` are the whole log of `signed`, which is known to be signed, and that it follows `older`.

    Raises:
        DamagedAudit: they are not, or it does not.
    """
    tree = Tree()
    batch = []
    for number, leaf in enumerate(leaves):
        logged = audit.parse(leaf)
        if logged.number != number:
            raise DamagedAudit(f"entry {number} is missing: entry {logged.number} stands in its place")
        batch.append(logged.hash)
    tree.extend(b"".join(batch))
    if tree.size < signed.size:
        raise DamagedAudit(f"there are {tree.size} entries, and the checkpoint is of {signed.size}")
    _check_follows(_of(tree, signed.origin), signed, tree)
    if older is not None:
        _check_follows(signed, older, tree)


def _of(tree: Tree, origin: str) -> Checkpoint:
    return Checkpoint(origin, tree.size, tree_root(tree.node, tree.size))


def _check_follows(newest: Checkpoint, older: Checkpoint, tree: Tree) -> None:
    if older.size > newest.size:
        raise DamagedAudit(f"the log ends at entry {newest.size}, and a checkpoint of {older.size} was signed")
    try:
        newest.check_follows(older, consistency_proof(tree.node, older.size, newest.size))
    except TransparencyError as error:
        raise DamagedAudit(f"the log is not the one of which a checkpoint was signed: {error}") from error
