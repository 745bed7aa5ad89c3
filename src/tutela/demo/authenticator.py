"""A passkey in software: what a reviewer's phone or security key does (W3C WebAuthn, Level 2).

The console verifies its signatures as any other's. In place of a finger or a PIN there is nothing. The demo and the
tests use it; what can be set is what an attacker would set.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_PRESENT: Final = 0x01
_VERIFIED: Final = 0x04
#: When the passkey is made, its public half follows.
_ATTESTED: Final = 0x40


@dataclass
class Authenticator:
    """A device with one passkey at most, in a browser at `origin` (`https://…`)."""

    origin: str
    rp_id: str = "localhost"
    """The domain that the passkey is for."""
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    handle: bytes = b""
    """Whose it is, as the console names them."""
    count: int = 0
    """How often it has signed."""
    verified: bool = True
    """Whether it sees a finger or a PIN, or only a touch."""

    def make(self, options: str) -> str:
        """Answer `navigator.credentials.create`; both are JSON."""
        asked = json.loads(options)
        self.handle = decoded(asked["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        # A COSE key (RFC 9053): EC2, ES256, P-256.
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        attested = bytes(16) + len(self.id).to_bytes(2) + self.id + cbor2.dumps(public)
        data = self._data(_ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", asked["challenge"])
        return self._answer(clientDataJSON=client, attestationObject=attestation)

    def sign(self, options: str, **client: Any) -> str:
        """Answer `navigator.credentials.get`; both are JSON. `client` changes what the browser says of itself."""
        asked = json.loads(options)
        self.count += 1
        data, told = self._data(), self._client("webauthn.get", asked["challenge"], **client)
        signature = self.key.sign(data + hashlib.sha256(told).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=told, authenticatorData=data, signature=signature, userHandle=self.handle)

    def _data(self, flags: int = 0) -> bytes:
        seen = _PRESENT | (_VERIFIED if self.verified else 0) | flags
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([seen]) + self.count.to_bytes(4)

    def _client(self, kind: str, challenge: str, **more: Any) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(told | more).encode()

    def _answer(self, **response: bytes) -> str:
        own = {name: encoded(value) for name, value in response.items()}
        name = encoded(self.id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": own})


def encoded(data: bytes) -> str:
    """Write bytes as WebAuthn's JSON does: base64url, unpadded."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Read what `encoded` writes."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
