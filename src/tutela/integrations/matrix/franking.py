"""Franking in Matrix: a sender commits to the content that it encrypts, a receiver keeps what proves it.

Pure; `tutela.wire.franking` is the construction. The commitment lies beside the ciphertext in the event's content, its
opening in the content that is encrypted, and covers that content as Matrix's canonical JSON. A message that bears
no commitment, or a false one, is a message like any other, and can be reported: as the reporter's word.
"""

from __future__ import annotations

import base64
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tutela.integrations.matrix.errors import MalformedJson
from tutela.integrations.matrix.signed_json import at, canonical_json, whole
from tutela.wire.document import encode
from tutela.wire.errors import BadOpening, MalformedMessage
from tutela.wire.franking import (
    COMMITMENT_FIELD,
    OPENING_FIELD,
    STAMP_FIELD,
    FrankedMessage,
    Stamp,
    check_opening,
    commit,
)
from tutela.wire.report import MessageEvidence

#: How deep content without a canonical form is followed.
_DEPTH = 32


class Franking(enum.StrEnum):
    """What a message's commitment is found to be when it arrives."""

    COMMITTED = "committed"
    """It opens to this very message."""
    ABSENT = "absent"
    """The sender's client does not commit."""
    MALFORMED = "malformed"
    """Half of it is missing, or is not what it should be, or the content has no canonical form to commit to."""
    WRONG = "wrong"
    """It opens to something else."""


@dataclass(frozen=True)
class Franked:
    """A received message as it could be reported; `evidence` holds commitment, opening and stamp if `COMMITTED`."""

    franking: Franking
    evidence: MessageEvidence | None
    """`None` where the event's ids or content are longer than Matrix allows: that cannot be reported."""


def frank(
    room_id: str, sender: str, event_type: str, content: Mapping[str, Any], opening: bytes
) -> tuple[dict[str, Any], str]:
    """Commit to a message under 32 fresh random bytes.

    Returns:
        The content to encrypt, which holds the opening, and the commitment, to be put beside the ciphertext.

    Raises:
        MalformedJson: the content has no canonical form.
    """
    bare = _without_opening(content)
    commitment = commit(FrankedMessage(room_id, sender, event_type, canonical_json(bare)), opening)
    return {**bare, OPENING_FIELD: _base64(opening)}, _base64(commitment)


def check(
    event: object,
    *,
    room_id: str,
    event_id: str,
    sender: str,
    sent_at: int,
    event_type: str,
    content: Mapping[str, Any],
) -> Franked:
    """Say what the commitment of a received message is worth, and gather what reporting it would take.

    Args:
        event: the encrypted event as the homeserver gave it; of unknown form.
        room_id: the room in which it came.
        event_id: its id.
        sender: who sent it, found to be true.
        sent_at: when, in milliseconds since 1970, as the homeserver says.
        event_type: the type of what was decrypted.
        content: the content that was decrypted, as parsed.

    Never raises, whatever the sender or the homeserver has made up.
    """
    names = {"event_id": event_id, "room_id": room_id, "sender": sender, "type": event_type}
    fields = {"kind": "message", "sent_at": sent_at, **{name: whole(text) for name, text in names.items()}}
    bare = _without_opening(content)
    try:
        text, provable = canonical_json(bare).decode(), names.items() <= fields.items()
    except MalformedJson:
        text, provable = canonical_json(_readable(bare, _DEPTH, str)).decode(), False
    word = _evidence(fields, content=text)
    if word is None:
        # Numbers without a canonical form can be written longer than they came: nobody escapes a report that way.
        text = canonical_json(_readable(bare, _DEPTH, lambda _: "…")).decode()
        word = _evidence(fields, content=text)
    commitment, opening = at(event, "content", COMMITMENT_FIELD), content.get(OPENING_FIELD)
    if commitment is None and opening is None:
        return Franked(Franking.ABSENT, word)
    stamps = [made] if (made := _stamp(at(event, "unsigned", STAMP_FIELD))) else []
    proof = _evidence(fields, content=text, commitment=commitment, opening=opening, stamps=stamps)
    if proof is None or not provable:
        return Franked(Franking.MALFORMED, word)
    try:
        opened = proof.opened()
        if opened is None:
            return Franked(Franking.MALFORMED, word)
        check_opening(opened[0], proof.message, opened[1])
    except MalformedMessage:
        return Franked(Franking.MALFORMED, word)
    except BadOpening:
        return Franked(Franking.WRONG, word)
    return Franked(Franking.COMMITTED, proof)


def _evidence(fields: Mapping[str, Any], **more: Any) -> MessageEvidence | None:
    try:
        return msgspec.convert({**fields, **more}, MessageEvidence)
    except msgspec.ValidationError:
        return None


def _stamp(value: object) -> dict[str, Any] | None:
    """Return a stamp that is one in form; whether it is true only the provider can tell."""
    try:
        stamp = msgspec.convert(value, Stamp)
        encode(stamp)  # halves of characters have no encoding
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    return dict(msgspec.to_builtins(stamp))


def _without_opening(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in content.items() if name != OPENING_FIELD}


def _readable(value: Any, depth: int, number: Callable[[Any], str]) -> Any:
    """Return content with text in place of all that has no canonical form: it can be read, though not proved."""
    if isinstance(value, str):
        return whole(value)
    if depth and isinstance(value, dict):
        return {whole(name): _readable(item, depth - 1, number) for name, item in value.items()}
    if depth and isinstance(value, list):
        return [_readable(item, depth - 1, number) for item in value]
    if isinstance(value, (dict, list)):
        return "…"
    try:
        canonical_json(value)
    except MalformedJson:
        return number(value)
    return value


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
