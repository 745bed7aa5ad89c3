"""Signed notes: a text and signatures under it, each by a named key (C2SP signed-note v1.0.0).

::

    text, one line or more
                                          an empty line
    — name base64(key id ‖ signature)     one line for each signature

Only Ed25519 keys (type 01) are known here; signatures by all others are kept and ignored, as the specification asks.
Go's `golang.org/x/mod/sumdb/note`, where the format comes from, bounds notes as is done here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tutela.transparency.errors import ForgedNote, MalformedKey, MalformedNote, UnsignedNote, UnsupportedKey

NOTE_BYTES: Final = 1_000_000
NOTE_SIGNATURES: Final = 100

_ED25519: Final = b"\x01"
_PUBLIC_BYTES: Final = 32
_ID_BYTES: Final = 4
_DASH: Final = "— "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
#: What a name lacks: white space, control characters, plus signs, and what UTF-8 cannot write.
_NOT_IN_NAMES: Final = re.compile(r"[\s\x00-\x1f+\ud800-\udfff]")


@dataclass(frozen=True)
class VerifierKey:
    """The name and public key of a signer. Its text form, the *vkey*, is what people configure."""

    name: str
    public: bytes
    """32 bytes, Ed25519."""

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise MalformedKey("the name of a key is neither empty nor has spaces, control characters or a plus")
        if len(self.public) != _PUBLIC_BYTES:
            raise MalformedKey(f"an Ed25519 key has {_PUBLIC_BYTES} bytes, this one {len(self.public)}")

    @property
    def id(self) -> bytes:
        """Four bytes that, with the name, tell which key made a signature. Too short to be proof of anything."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID_BYTES]

    def encode(self) -> str:
        """Return the key as text: name, id in hexadecimal, base64 of type and key, joined by plus signs."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def decode(cls, text: str) -> VerifierKey:
        """Read a key's text form.

        Raises:
            MalformedKey: it is none, or its id is not that of the key.
            UnsupportedKey: a key of another kind than Ed25519.
        """
        try:
            name, _, material = text.split("+", 2)  # base64 may have more of them
            raw = base64.b64decode(material, validate=True)
        except ValueError as error:
            raise MalformedKey("a verifier key is name+id+base64") from error
        if not raw.startswith(_ED25519):
            raise UnsupportedKey(f"the verifier key of {name!r:.80} is of another kind than Ed25519 (01)")
        key = cls(name, raw[1:])
        if key.encode() != text:
            raise MalformedKey(f"the id of the verifier key of {name!r:.80} is not that of the key")
        return key


@dataclass(frozen=True)
class SigningKey:
    """A name and the private key that signs under it. Holds a secret."""

    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        """What others need to check the signatures."""
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())


@dataclass(frozen=True)
class Signature:
    """One line under a note: whose it says it is, and the bytes."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True)
class Note:
    """A text with signatures of which nothing is known yet; `verify` tells."""

    unverified_text: str
    """One line or more, each with its newline."""
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not self.unverified_text.endswith("\n"):
            raise MalformedNote("the text of a note ends with a newline")
        if _CONTROL.search(self.unverified_text):
            raise MalformedNote("a note has no control characters")
        if not 1 <= len(self.signatures) <= NOTE_SIGNATURES:
            raise MalformedNote(f"a note has from 1 to {NOTE_SIGNATURES} signatures, not {len(self.signatures)}")
        for one in self.signatures:
            if not _is_name(one.name) or len(one.key_id) != _ID_BYTES or not one.value:
                raise MalformedNote("a signature line does not name a key")
        if len({(one.name, one.key_id) for one in self.signatures}) != len(self.signatures):
            raise MalformedNote("a note holds two signatures by one key")
        if len(self.encode()) > NOTE_BYTES:
            raise MalformedNote(f"a note is over the limit of {NOTE_BYTES} bytes")

    def encode(self) -> bytes:
        """Return the note as UTF-8.

        Raises:
            MalformedNote: the text cannot be written so.
        """
        lines = [f"{_DASH}{one.name} {base64.b64encode(one.key_id + one.value).decode()}\n" for one in self.signatures]
        return _bytes(self.unverified_text + "\n" + "".join(lines))

    @classmethod
    def decode(cls, data: bytes) -> Note:
        """Parse a note, without verifying anything.

        Raises:
            MalformedNote: it is none, or is written otherwise than `encode` would.
        """
        if len(data) > NOTE_BYTES:
            raise MalformedNote(f"a note of {len(data)} bytes is over the limit of {NOTE_BYTES}")
        try:
            content = data.decode()
        except UnicodeDecodeError as error:
            raise MalformedNote("a note is UTF-8") from error
        text, blank, lines = content.rpartition("\n\n")
        if not blank:
            raise MalformedNote("a note is a text, an empty line and signature lines")
        note = cls(text + "\n", tuple(_signature(line) for line in lines[:-1].split("\n")))
        if note.encode() != data:
            raise MalformedNote("a signature line is not canonical")
        return note


def sign(text: str, *keys: SigningKey) -> Note:
    """Sign `text`, which ends with a newline.

    Raises:
        MalformedNote: the text, or the number of keys, does not make a note.
    """
    return Note(text, tuple(Signature(k.name, k.verifier.id, k.private.sign(_bytes(text))) for k in keys))


def verify(note: Note, keys: Iterable[VerifierKey]) -> tuple[str, frozenset[VerifierKey]]:
    """Return the text of a note and who of `keys` signed it, at least one.

    Raises:
        ForgedNote: a signature that names one of `keys` is not by it.
        UnsignedNote: none of `keys` signed.
        MalformedKey: two of `keys` go by one name and id, so that signatures do not tell them apart.
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.id), key) != key:
            raise MalformedKey(f"two keys of {key.name!r:.80} have one id", hint="use another key or another name")
    text = note.unverified_text
    signers = set()
    for one in note.signatures:
        signer = known.get((one.name, one.key_id))
        if signer is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(signer.public).verify(one.value, _bytes(text))
        except InvalidSignature as error:
            raise ForgedNote(f"the signature by {one.name!r:.80} does not verify") from error
        signers.add(signer)
    if not signers:
        raise UnsignedNote("no known key signed this note", hint="check that you have the signer's verifier key")
    return text, frozenset(signers)


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise MalformedNote("a note is UTF-8") from error


def _signature(line: str) -> Signature:
    if not line.startswith(_DASH):
        raise MalformedNote("a signature line begins with an em dash and a space")
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise MalformedNote("a signature is base64") from error
    return Signature(name, raw[:_ID_BYTES], raw[_ID_BYTES:])


def _is_name(name: str) -> bool:
    return bool(name) and not _NOT_IN_NAMES.search(name)
