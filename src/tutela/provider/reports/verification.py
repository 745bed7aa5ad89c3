"""What a report proves. Pure.

A message is *proven* when it opens its sender's commitment and one of the homeservers that this provider serves
stamped that commitment, for just this event, room, sender and time. What claims proof and fails is refused, never
taken for less: whoever sends it again without that proof says so themselves.

Refused by name: a reporter who is not who they say (mimi-protocol#88: a report has no field for its reporter), mauled
proofs (#90: the receiver's client checks the opening at once, the rest is under the homeserver's MAC), colluders who
invent messages (#119: the MAC's key never leaves homeserver and provider).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from tutela.provider.errors import ReportRefused, WrongAttachment
from tutela.wire.errors import BadOpening, BadStamp, MalformedMessage
from tutela.wire.franking import Stamp, check_opening, check_stamp
from tutela.wire.report import MessageEvidence, Proof, Report, from_base64

_AES_KEY: Final = 32
_AES_BLOCK: Final = 16


@dataclass(frozen=True)
class StampKeys:
    """The keys under which stamps are checked: each by its homeserver's name and its id."""

    keys: Mapping[tuple[str, str], bytes]

    def ours(self, evidence: MessageEvidence) -> list[Stamp]:
        """Return the stamps of a message that are said to be by one of these keys.

        A key counts for its own homeserver alone: another could say with it that it sent what it received.
        """
        return [made for made in evidence.stamps if (made.server, made.key) in self.keys]


def verify(report: Report, stamps: StampKeys) -> tuple[Proof, ...]:
    """Return what is proven of each message of `report`, in its order.

    Raises:
        ReportRefused: a message claims proof and does not have it; the error names which, and why.
    """
    return tuple(_proof(number, evidence, stamps) for number, evidence in enumerate(report.evidence))


def _proof(number: int, evidence: MessageEvidence, stamps: StampKeys) -> Proof:
    opened = evidence.opened()
    if opened is None:
        return Proof.UNPROVEN
    commitment, opening = opened
    try:
        check_opening(commitment, evidence.message, opening)
        event = evidence.stamped(commitment)
        ours = stamps.ours(evidence)
        for made in ours:
            check_stamp(stamps.keys[made.server, made.key], made, event)
            _check_time(made, evidence)
    except (BadOpening, BadStamp) as error:
        raise ReportRefused(
            f"message {number + 1} of the report is not what it claims to be: {error}",
            hint="Send it without its proof, if you still want to report it.",
            item=number,
        ) from error
    return Proof.PROVEN if ours else Proof.UNSTAMPED


def _check_time(made: Stamp, evidence: MessageEvidence) -> None:
    # A message from another homeserver bears that one's time; what the stamp proves is when it arrived here.
    if not made.received and made.time != evidence.sent_at:
        raise BadStamp(f"the event {evidence.event_id!r:.80} was not sent at the time that the report says")


class _Key(msgspec.Struct):
    k: str


class _File(msgspec.Struct):
    key: _Key
    iv: str
    hashes: dict[str, str]


class _Content(msgspec.Struct):
    file: _File


class AttachmentCheck:
    """Checks a file against the message that it is said to belong to, chunk by chunk.

    The message names key, initial vector and hash of the encrypted file (Matrix, "Sending encrypted attachments":
    AES-CTR, SHA-256). Encrypting the file again gives that hash if, and only if, it is the file that was sent.
    """

    def __init__(self, evidence: MessageEvidence) -> None:
        """Read what the message says of its file.

        Raises:
            WrongAttachment: it names no encrypted file.
        """
        try:
            file = msgspec.json.decode(evidence.content, type=_Content).file
            key, vector = _unpadded(file.key.k, _AES_KEY), _unpadded(file.iv, _AES_BLOCK)
            self._expected = _unpadded(file.hashes["sha256"], 32)
        except (msgspec.MsgspecError, MalformedMessage, KeyError, UnicodeDecodeError, RecursionError) as error:
            raise _wrong("the message that the file is said to belong to names no file") from error
        self._cipher: CipherContext = Cipher(algorithms.AES(key), modes.CTR(vector)).encryptor()
        self._hash = hashes.Hash(hashes.SHA256())

    def update(self, chunk: bytes) -> None:
        """Take in the next part of the file."""
        self._hash.update(self._cipher.update(chunk))

    def finish(self) -> None:
        """Check the hash.

        Raises:
            WrongAttachment: it is another file than the one that was sent.
        """
        if self._hash.finalize() != self._expected:
            raise _wrong("the file is not the one that was sent with its message")


def _unpadded(text: str, size: int) -> bytes:
    """Read Matrix's unpadded base64; the key is in the URL-safe alphabet, the rest is not."""
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    return from_base64(text + "=" * (-len(text) % 4), size)


def _wrong(message: str) -> WrongAttachment:
    return WrongAttachment(message, hint="Report the message without the file, if you still want to report it.")
