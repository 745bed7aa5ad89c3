"""Signed documents: DSSE envelopes (Dead Simple Signing Envelope, secure-systems-lab/dsse, protocol 1.0.2).

The signature covers the payload's type and exact bytes (PAE), so a signature over one kind of document can never
stand for another, and nothing is parsed before it is verified. Algorithm: Ed25519 (RFC 8032).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tutela.wire import limits
from tutela.wire.errors import BadSignature, MalformedMessage, OversizedMessage

SIGNATURE_BYTES: Final = 64
KEY_ID_BYTES: Final = 16


@dataclass(frozen=True)
class Signature:
    """One Ed25519 signature and the id of the key that is said to have made it."""

    key_id: str
    signature: bytes


@dataclass(frozen=True)
class Envelope:
    """A payload with its type and signatures. `unverified_payload` is only that: verify before you parse."""

    payload_type: str
    unverified_payload: bytes
    signatures: tuple[Signature, ...]

    def with_signature(self, signature: Signature) -> Envelope:
        """Return this envelope with one more signature, replacing one by the same key."""
        kept = tuple(s for s in self.signatures if s.key_id != signature.key_id)
        return replace(self, signatures=(*kept, signature))


class _SignatureJson(msgspec.Struct, forbid_unknown_fields=True):
    keyid: str
    sig: str


class _EnvelopeJson(msgspec.Struct, forbid_unknown_fields=True):
    payloadType: str  # noqa: N815 (the field's name in DSSE)
    payload: str
    signatures: list[_SignatureJson]


def key_id(key: Ed25519PublicKey) -> str:
    """Return the id of a public key: the first 16 bytes of SHA-256 over its raw 32 bytes, in hexadecimal."""
    return hashlib.sha256(key.public_bytes_raw()).digest()[:KEY_ID_BYTES].hex()


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, key: Ed25519PrivateKey) -> Signature:
    """Sign `payload` as a document of type `payload_type`."""
    return Signature(key_id(key.public_key()), key.sign(pae(payload_type, payload)))


def seal(payload_type: str, payload: bytes, *keys: Ed25519PrivateKey) -> Envelope:
    """Return an envelope around `payload`, signed by each of `keys`."""
    return Envelope(payload_type, payload, tuple(sign(payload_type, payload, key) for key in keys))


def verify(envelope: Envelope, payload_type: str, keys: Mapping[str, Ed25519PublicKey]) -> tuple[bytes, frozenset[str]]:
    """Return the payload, and the ids of those of `keys` that signed it (perhaps none: the caller counts them).

    Signatures by unknown keys are ignored.

    Raises:
        MalformedMessage: the envelope holds another type of document.
        BadSignature: a signature names one of `keys` and does not verify.
    """
    if envelope.payload_type != payload_type:
        raise MalformedMessage(f"expected a document of type {payload_type}, got {envelope.payload_type!r:.80}")
    message = pae(payload_type, envelope.unverified_payload)
    signers = set()
    for signature in envelope.signatures:
        key = keys.get(signature.key_id)
        if key is None:
            continue
        try:
            key.verify(signature.signature, message)
        except InvalidSignature as error:
            raise BadSignature(f"the signature by key {signature.key_id} does not verify") from error
        signers.add(signature.key_id)
    return envelope.unverified_payload, frozenset(signers)


def encode(envelope: Envelope) -> bytes:
    """Return the envelope as DSSE JSON."""
    return msgspec.json.encode(
        _EnvelopeJson(
            payloadType=envelope.payload_type,
            payload=base64.b64encode(envelope.unverified_payload).decode(),
            signatures=[
                _SignatureJson(keyid=s.key_id, sig=base64.b64encode(s.signature).decode()) for s in envelope.signatures
            ],
        )
    )


def decode(data: bytes, *, limit: int = limits.ENVELOPE_BYTES) -> Envelope:
    """Parse DSSE JSON, without verifying anything.

    Raises:
        OversizedMessage: more bytes, or more signatures, than the limits allow.
        MalformedMessage: not such JSON, or bad base64.
    """
    if len(data) > limit:
        raise OversizedMessage(f"an envelope of {len(data)} bytes is over the limit of {limit}")
    try:
        raw = msgspec.json.decode(data, type=_EnvelopeJson)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(f"not a DSSE envelope: {error}") from error
    if len(raw.signatures) > limits.ENVELOPE_SIGNATURES:
        raise OversizedMessage(f"{len(raw.signatures)} signatures are over the limit of {limits.ENVELOPE_SIGNATURES}")
    try:
        payload = base64.b64decode(raw.payload, validate=True)
        signatures = tuple(Signature(s.keyid, base64.b64decode(s.sig, validate=True)) for s in raw.signatures)
    except (binascii.Error, ValueError) as error:
        raise MalformedMessage("not a DSSE envelope: bad base64") from error
    if len({s.key_id for s in signatures}) != len(signatures):
        raise MalformedMessage("an envelope holds two signatures by one key")
    return Envelope(raw.payloadType, payload, signatures)
