"""A passkey in software: what a reviewer's phone or security key does (W3C WebAuthn, Level 2).

The console verifies its signatures as any other's. In place of a finger or a PIN there is nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Final

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_RP_ID: Final = "localhost"
#: User present and verified; and, when the passkey is made, its public half follows.
_USED: Final = 0x01 | 0x04
_MADE: Final = _USED | 0x40


class Authenticator:
    """One passkey, for the pages of one origin on this machine."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._id = secrets.token_bytes(32)
        self._user = b""
        self._uses = 0

    def make(self, options: str) -> str:
        """Answer `navigator.credentials.create`; both are JSON."""
        asked = json.loads(options)
        self._user = _bytes(asked["user"]["id"])
        numbers = self._key.public_key().public_numbers()
        # A COSE key (RFC 9053): EC2, ES256, P-256.
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})
        data = self._data(_MADE) + bytes(16) + len(self._id).to_bytes(2) + self._id + public
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", asked["challenge"])
        return self._answer(clientDataJSON=client, attestationObject=attestation)

    def sign(self, options: str) -> str:
        """Answer `navigator.credentials.get`; both are JSON."""
        self._uses += 1
        data, client = self._data(_USED), self._client("webauthn.get", json.loads(options)["challenge"])
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signature, userHandle=self._user)

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(_RP_ID.encode()).digest() + bytes([flags]) + self._uses.to_bytes(4)

    def _client(self, kind: str, challenge: str) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": self._origin, "crossOrigin": False}
        return json.dumps(told).encode()

    def _answer(self, **response: bytes) -> str:
        own, name = {field: _text(value) for field, value in response.items()}, _text(self._id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": own})


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
