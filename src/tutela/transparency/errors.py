"""What can be wrong with a log, one class for each refusal::

TransparencyError
├── MalformedTree, OutOfRange               what a log is made from, what is asked of it
├── BadInclusion, BadConsistency            proofs
├── MalformedKey, UnsupportedKey            verifier keys
├── MalformedNote, ForgedNote, UnsignedNote
└── MalformedCheckpoint, OtherOrigin
"""

from __future__ import annotations

from typing import ClassVar

from tutela.errors import TutelaError


class TransparencyError(TutelaError):
    """Something about a log does not hold."""

    code: ClassVar[str] = "transparency"


class MalformedTree(TransparencyError):
    """The bytes are no hashes of a tree."""

    code: ClassVar[str] = "malformed-tree"


class OutOfRange(TransparencyError):
    """The log is not that long."""

    code: ClassVar[str] = "out-of-range"


class BadInclusion(TransparencyError):
    """A proof does not show that the leaf is at that place of the log."""

    code: ClassVar[str] = "bad-inclusion"


class BadConsistency(TransparencyError):
    """A proof does not show that the newer log has all of the older one, unchanged."""

    code: ClassVar[str] = "bad-consistency"


class MalformedKey(TransparencyError):
    """Not a verifier key, or one whose id belongs to another."""

    code: ClassVar[str] = "malformed-key"


class UnsupportedKey(TransparencyError):
    """A verifier key of another kind than Ed25519."""

    code: ClassVar[str] = "unsupported-key"


class MalformedNote(TransparencyError):
    """Not a signed note, not canonical, or too large."""

    code: ClassVar[str] = "malformed-note"


class ForgedNote(TransparencyError):
    """A signature that names a known key does not verify."""

    code: ClassVar[str] = "forged-note"


class UnsignedNote(TransparencyError):
    """No known key signed the note."""

    code: ClassVar[str] = "unsigned-note"


class MalformedCheckpoint(TransparencyError):
    """The text of a note is not a checkpoint."""

    code: ClassVar[str] = "malformed-checkpoint"


class OtherOrigin(TransparencyError):
    """A checkpoint of another log than the key's or the one before."""

    code: ClassVar[str] = "other-origin"
