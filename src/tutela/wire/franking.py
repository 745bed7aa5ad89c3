"""Message franking: what lets the provider verify a reported message, and nobody else.

Four steps, and who makes each:

1. The *sender* commits to a message: `commitment = HMAC-SHA256(opening, message)` under a fresh random `opening`. The
   commitment travels beside the ciphertext, the opening inside it. (Facebook's construction, proved to be a compactly
   committing encryption by Grubbs, Lu and Ristenpart, *Message Franking via Committing Authenticated Encryption*,
   CRYPTO 2017.) The homeserver, which sees the commitment, cannot test guesses of the message: it lacks the opening.
2. The *homeserver* stamps the event that it holds: a MAC over event id, room, sender, time and commitment, under a key
   that it shares with its provider alone.
3. The *receiver* checks the opening against the commitment, and keeps commitment, opening and stamp.
4. The *provider* checks both when the receiver reports the message.

A MAC and not a signature: whoever holds the key could have made any stamp, so a leaked report convinces nobody else
(the deniability of *asymmetric* franking, Tyagi and others, CRYPTO 2019, and of Hecate, Issa and others, USENIX
Security 2022, reached here through the homeserver being the one that is trusted for sender and time).
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from tutela.wire.document import Document
from tutela.wire.errors import BadOpening, BadStamp, MalformedMessage

OPENING_BYTES: Final = 32
COMMITMENT_BYTES: Final = 32
STAMP_KEY_BYTES: Final = 32

#: Where the commitment lies in the encrypted event's content, beside `ciphertext`.
COMMITMENT_FIELD: Final = "org.tutela.commitment"
#: Where the opening lies in the content that was encrypted. The commitment does not cover this field.
OPENING_FIELD: Final = "org.tutela.opening"
#: Where the stamp lies in the `unsigned` part of an event as its homeserver hands it out.
STAMP_FIELD: Final = "org.tutela.stamp"

_MESSAGE: Final = b"tutela/franking/message/1\x00"
_STAMP: Final = b"tutela/franking/stamp/1\x00"
_KEY_ID: Final = b"tutela/franking/stamp-key-id/1\x00"

MatrixId = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^\x00]*\Z")]
Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
#: Since 1970, before the year 10000: later, no calendar has a page for it, and a page that shows it could not be made.
Milliseconds = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800_000)]


@dataclass(frozen=True)
class FrankedMessage:
    """What a commitment covers. `content` is the event's content without its opening, as canonical JSON."""

    room_id: str
    sender: str
    type: str
    content: bytes

    def encode(self) -> bytes:
        """Return the bytes that are committed to; no two messages share them."""
        return _MESSAGE + _joined(self.room_id.encode(), self.sender.encode(), self.type.encode(), self.content)


class Stamp(Document, frozen=True):
    """A homeserver's word, for its provider, on when an event reached it. Opaque to everybody else."""

    version: Literal[1]
    server: MatrixId
    """The homeserver that stamped it; a room may span several, each with its own stamp."""
    key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]
    """`stamp_key_id` of the key."""
    time: Milliseconds
    """Milliseconds since 1970: when the event was sent, or, where `received`, when it arrived from elsewhere."""
    received: bool
    mac: Hex32


@dataclass(frozen=True)
class StampedEvent:
    """The facts that a stamp is about, each read from the homeserver's own event."""

    event_id: str
    room_id: str
    sender: str
    commitment: bytes


def commit(message: FrankedMessage, opening: bytes) -> bytes:
    """Return the commitment to `message` under 32 fresh random bytes."""
    if len(opening) != OPENING_BYTES:
        # One length only: HMAC pads shorter keys with zeros, so that two of different length could be equal.
        raise MalformedMessage(f"an opening has {OPENING_BYTES} bytes")
    return hmac.digest(opening, message.encode(), hashlib.sha256)


def check_opening(commitment: bytes, message: FrankedMessage, opening: bytes) -> None:
    """Check that `opening` opens `commitment` to just this message.

    Raises:
        BadOpening: it does not.
        MalformedMessage: the opening has another length than 32 bytes.
    """
    if not hmac.compare_digest(commit(message, opening), commitment):
        raise BadOpening("the message is not the one that its sender committed to")


def stamp_key_id(key: bytes) -> str:
    """Return the id under which stamps name a key: the first eight bytes of a hash of it, in hexadecimal."""
    return hashlib.sha256(_KEY_ID + key).digest()[:8].hex()


def stamp(key: bytes, server: str, event: StampedEvent, *, time: int, received: bool) -> Stamp:
    """Stamp `event` with the homeserver's key; `time` and `received` as in `Stamp`."""
    key_id = stamp_key_id(key)
    mac = _mac(key, server, key_id, event, time, received)
    return Stamp(version=1, server=server, key=key_id, time=time, received=received, mac=mac.hex())


def check_stamp(key: bytes, made: Stamp, event: StampedEvent) -> None:
    """Check that `made` was made with `key` for just this event and time.

    Raises:
        BadStamp: it was not.
    """
    mac = _mac(key, made.server, made.key, event, made.time, made.received)
    if not hmac.compare_digest(mac, bytes.fromhex(made.mac)):
        raise BadStamp(f"the stamp does not belong to the event {event.event_id!r:.80}")


def _mac(key: bytes, server: str, key_id: str, event: StampedEvent, time: int, received: bool) -> bytes:
    if len(key) != STAMP_KEY_BYTES:
        raise ValueError(f"a stamp key has {STAMP_KEY_BYTES} bytes")
    facts = (server, key_id, event.event_id, event.room_id, event.sender)
    moment = struct.pack(">QB", time, received)
    return hmac.digest(key, _STAMP + _joined(*(f.encode() for f in facts), moment, event.commitment), hashlib.sha256)


def _joined(*parts: bytes) -> bytes:
    """Return the parts, each after its length, so that no two lists of parts give the same bytes."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
