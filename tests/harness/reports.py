"""Reports for tests: messages franked and stamped as a client and a homeserver do it, in a few lines."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from harness.provider import SERVER, STAMP_KEY, START
from tutela.wire.franking import FrankedMessage, Stamp, StampedEvent, commit, stamp
from tutela.wire.report import Attachment, MessageEvidence, Report, ReportReason

ROOM = f"!room:{SERVER}"
MIA = f"@mia:{SERVER}"
LEO = f"@leo:{SERVER}"
#: When the tests' clock starts.
NOON = START


def canonical(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def message(
    number: int = 1,
    body: str = "hello",
    *,
    sender: str = LEO,
    room: str = ROOM,
    time: int | None = None,
    key: bytes = STAMP_KEY,
    server: str = SERVER,
    received: bool = False,
    content: dict[str, Any] | None = None,
) -> MessageEvidence:
    """A message that a client committed to and a homeserver stamped."""
    text = canonical(content if content is not None else {"body": body, "msgtype": "m.text"})
    sent_at = time if time is not None else NOON + number * 1000
    opening = hashlib.sha256(f"opening {number} {sender} {body}".encode()).digest()
    commitment = commit(FrankedMessage(room, sender, "m.room.message", text.encode()), opening)
    event = StampedEvent(f"$event-{number}", room, sender, commitment)
    return MessageEvidence(
        event_id=event.event_id,
        room_id=room,
        sender=sender,
        sent_at=sent_at,
        type="m.room.message",
        content=text,
        commitment=base64.b64encode(commitment).decode(),
        opening=base64.b64encode(opening).decode(),
        stamps=(stamp(key, server, event, time=sent_at, received=received),),
    )


def unproven(evidence: MessageEvidence) -> MessageEvidence:
    """The same message, without its proof."""
    return msgspec.structs.replace(evidence, commitment=None, opening=None, stamps=())


def restamped(evidence: MessageEvidence, **changes: Any) -> MessageEvidence:
    """The same message with a stamp that somebody changed."""
    made: Stamp = msgspec.structs.replace(evidence.stamps[0], **changes)
    return msgspec.structs.replace(evidence, stamps=(made,))


@dataclass(frozen=True)
class SentFile:
    """A file as its sender encrypted it."""

    data: bytes
    evidence: MessageEvidence

    @property
    def attachment(self) -> Attachment:
        return Attachment(
            event_id=self.evidence.event_id, sha256=hashlib.sha256(self.data).hexdigest(), size=len(self.data)
        )


def picture(number: int, data: bytes, *, url: str = f"mxc://{SERVER}/abc", **changes: Any) -> SentFile:
    """A message with an encrypted file, as in Matrix."""
    key, vector = hashlib.sha256(b"key" + data[:64]).digest(), bytes(8) + b"\x01" * 8
    encryptor = Cipher(algorithms.AES(key), modes.CTR(vector)).encryptor()
    ciphertext = encryptor.update(data) + encryptor.finalize()
    content = {
        "msgtype": "m.image",
        "body": "picture.jpg",
        "file": {
            "v": "v2",
            "url": url,
            "key": {"alg": "A256CTR", "kty": "oct", "ext": True, "k": _unpadded(key, url=True), "key_ops": []},
            "iv": _unpadded(vector),
            "hashes": {"sha256": _unpadded(hashlib.sha256(ciphertext).digest())},
        },
    }
    return SentFile(data, message(number, content=content, **changes))


def report(*evidence: MessageEvidence, number: int = 1, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "version": 1,
        "id": hashlib.sha256(f"report {number}".encode()).hexdigest(),
        "reason": ReportReason.ASKED_FOR_PICTURES,
        "danger_now": False,
        "about": LEO,
        "text": "",
        "language": "en",
        "region": None,
        "evidence": evidence,
        "attachments": (),
    }
    return Report(**values | changes)


def _unpadded(data: bytes, *, url: bool = False) -> str:
    encoded = base64.urlsafe_b64encode(data) if url else base64.b64encode(data)
    return encoded.rstrip(b"=").decode()
