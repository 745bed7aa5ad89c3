"""Matrix canonical JSON and signed JSON objects (Matrix specification, appendices "Canonical JSON", "Signing JSON").

Pure. Objects come from other people, by way of a homeserver: nothing about their form is taken for granted.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tutela.integrations.matrix.errors import BadKeySignature, MalformedJson

#: A JSON object as parsed, of unknown form.
JsonObject = Mapping[str, Any]
_INTEGERS: Final = range(-(2**53) + 1, 2**53)
_DEPTH: Final = 64


def canonical_json(value: object) -> bytes:
    """Return the one canonical encoding of `value`: UTF-8, keys sorted, no white space, integers within ±(2^53 - 1).

    Raises:
        MalformedJson: a float, a large integer, a lone surrogate, or something that JSON cannot hold.
    """
    _check(value, _DEPTH)
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise MalformedJson("text that is not valid Unicode has no canonical JSON form") from error


def sign_json(value: JsonObject, user_id: str, key_id: str, key: Ed25519PrivateKey) -> dict[str, Any]:
    """Return a copy of `value` with `key`'s signature added under `user_id` and `ed25519:<key_id>`."""
    signature = encode_base64(key.sign(signable(value)))
    signatures = {signer: dict(made) for signer, made in value.get("signatures", {}).items()}
    signatures.setdefault(user_id, {})[f"ed25519:{key_id}"] = signature
    return {**value, "signatures": signatures}


def verify_json(value: JsonObject, user_id: str, key_id: str, public_key: str) -> None:
    """Check the signature that `user_id` made on `value` with the key `ed25519:<key_id>`, unpadded base64.

    Raises:
        BadKeySignature: the signature is missing or does not verify, the key is no Ed25519 key, or `value` has no
            canonical form.
    """
    signatures = value.get("signatures")
    made = signatures.get(user_id) if isinstance(signatures, dict) else None
    signature = made.get(f"ed25519:{key_id}") if isinstance(made, dict) else None
    if not isinstance(signature, str):
        raise BadKeySignature(f"{user_id} has not signed it with the key {key_id}")
    try:
        key = Ed25519PublicKey.from_public_bytes(decode_base64(public_key))
        key.verify(decode_base64(signature), signable(value))
    except (InvalidSignature, ValueError, MalformedJson) as error:
        raise BadKeySignature(f"the signature of {user_id} with the key {key_id} does not verify") from error


def signable(value: JsonObject) -> bytes:
    """Return what a signature covers: the canonical encoding without `signatures` and `unsigned`."""
    return canonical_json({name: item for name, item in value.items() if name not in ("signatures", "unsigned")})


def at(value: object, *names: str) -> Any:
    """Return what lies under `names` in nested objects, or `None` where there is no such thing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def whole(text: str) -> str:
    """Return text that can be written anywhere: JSON may hold halves of characters, which no encoding takes."""
    return text.encode("utf-8", "replace").decode()


def encode_base64(data: bytes) -> str:
    """Return unpadded base64 of the standard alphabet."""
    return base64.b64encode(data).rstrip(b"=").decode()


def decode_base64(text: str) -> bytes:
    """Return the bytes of unpadded or padded base64 of the standard alphabet.

    Raises:
        MalformedJson: `text` is not base64.
    """
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedJson("not valid base64") from error


def _check(value: object, depth: int) -> None:
    if depth == 0:
        raise MalformedJson("nested too deeply")
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, int):
        if value not in _INTEGERS:
            raise MalformedJson(f"the integer {value} is outside ±(2^53 - 1)")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if not isinstance(name, str):
                raise MalformedJson("an object's names are text")
            _check(item, depth - 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check(item, depth - 1)
    else:
        raise MalformedJson(f"{type(value).__name__} has no canonical JSON form")
