"""Checkpoints: what a log signs about itself (C2SP tlog-checkpoint v1.0.0).

A signed note whose text is three lines: the *origin*, which names the log and its key; the number of leaves; the root
in base64. Extension lines are neither written nor read: the specification advises against them, since no monitor can
audit them, and public witnesses refuse them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tutela.transparency import merkle, note
from tutela.transparency.errors import MalformedCheckpoint, OtherOrigin
from tutela.transparency.note import Note, SigningKey, VerifierKey

#: Sizes are below this: Go, which most logs and witnesses are written in, has signed integers of 64 bits.
SIZE_LIMIT: Final = 1 << 63


@dataclass(frozen=True)
class Checkpoint:
    """A log at one moment. As trustworthy as where it comes from: `read` gives signed ones."""

    origin: str
    size: int
    """The number of leaves."""
    root: bytes
    """32 bytes."""

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin:
            raise MalformedCheckpoint("the origin of a checkpoint is one line of text")
        if not 0 <= self.size < SIZE_LIMIT:
            raise MalformedCheckpoint(f"a log has from 0 to {SIZE_LIMIT - 1} leaves")
        if len(self.root) != merkle.HASH_BYTES:
            raise MalformedCheckpoint(f"a root has {merkle.HASH_BYTES} bytes, this one {len(self.root)}")
        if self.size == 0 and self.root != merkle.EMPTY_ROOT:
            raise MalformedCheckpoint("a log without leaves has another root")

    def encode(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def decode(cls, text: str) -> Checkpoint:
        """Read the text of a checkpoint.

        Raises:
            MalformedCheckpoint: it is none, has extension lines, or is written otherwise than `encode` would.
        """
        try:
            origin, size, root, _ = text.split("\n")
            made = cls(origin, int(size), base64.b64decode(root, validate=True))
        except ValueError as error:
            raise MalformedCheckpoint("a checkpoint is three lines: origin, size and root") from error
        if made.encode() != text:
            raise MalformedCheckpoint("a checkpoint is not canonical")
        return made

    def check_inclusion(self, leaf: bytes, index: int, proof: Sequence[bytes]) -> None:
        """Check that the leaf hash `leaf` stands at `index` in this log.

        Raises:
            BadInclusion: the proof does not show it.
        """
        merkle.verify_inclusion(leaf, index, self.size, proof, self.root)

    def check_follows(self, older: Checkpoint, proof: Sequence[bytes]) -> None:
        """Check that this log has all that it had at `older`, unchanged.

        Raises:
            BadConsistency: the proof does not show it.
            OtherOrigin: `older` is of another log.
        """
        if older.origin != self.origin:
            raise OtherOrigin(f"{self.origin!r:.80} does not continue {older.origin!r:.80}")
        merkle.verify_consistency(older.size, older.root, self.size, self.root, proof)


def sign(checkpoint: Checkpoint, key: SigningKey) -> bytes:
    """Return the checkpoint as a signed note. Sign none that does not follow all those signed before.

    Raises:
        OtherOrigin: the key goes by another name than the log.
        MalformedNote: the origin cannot be written in a note.
    """
    _check_origin(checkpoint, key.name)
    return note.sign(checkpoint.encode(), key).encode()


def read(data: bytes, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint in a note signed by its log's `key`. Signatures by others are ignored.

    Raises:
        MalformedNote, ForgedNote, UnsignedNote: it is no note signed by that key.
        MalformedCheckpoint, OtherOrigin: the log signed something else.
    """
    text, _ = note.verify(Note.decode(data), (key,))
    checkpoint = Checkpoint.decode(text)
    _check_origin(checkpoint, key.name)
    return checkpoint


def _check_origin(checkpoint: Checkpoint, name: str) -> None:
    if checkpoint.origin != name:
        raise OtherOrigin(f"a checkpoint of {checkpoint.origin!r:.80} under the key of {name!r:.80}")
