"""A list authority's signing key (Ed25519) and its public descriptor.

The key is kept as PKCS #8 in PEM (RFC 5958), optionally encrypted under a passphrase; the descriptor is
`wire.manifest.Authority` in JSON and may be shown to anybody.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tutela.lists.errors import BadKeyFile, OtherDescriptor
from tutela.wire.manifest import Authority

SEED_BYTES: Final = 32


def key_of_seed(seed: bytes) -> Ed25519PrivateKey:
    """Return the signing key of 32 random bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed)


def describe(key: Ed25519PrivateKey, *, authority_id: str, name: str, jurisdiction: str) -> Authority:
    """Return the public descriptor of the authority that holds `key`."""
    return Authority(id=authority_id, name=name, jurisdiction=jurisdiction, public_key=public_hex(key))


def check_descriptor(own: Authority, listed: Authority) -> None:
    """Check that a list says of an authority what its own descriptor says.

    Raises:
        OtherDescriptor: another id, name, jurisdiction or key.
    """
    said, meant = msgspec.to_builtins(listed), msgspec.to_builtins(own)
    wrong = [
        f"{field.replace('_', ' ')} {said[field]!r} instead of {meant[field]!r}"
        for field in meant
        if said[field] != meant[field]
    ]
    if wrong:
        raise OtherDescriptor(
            f"the list says of {own.id}: {', '.join(wrong)}",
            hint="sign nothing; ask the provider to admit the descriptor that you sent, or give another --descriptor",
        )


def public_hex(key: Ed25519PrivateKey) -> str:
    """Return the raw public key in hexadecimal, as descriptors write it."""
    return key.public_key().public_bytes_raw().hex()


def public_key_of(authority: Authority) -> Ed25519PublicKey:
    """Return the key that verifies an authority's signatures."""
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(authority.public_key))


def encode_key(key: Ed25519PrivateKey, passphrase: bytes | None) -> bytes:
    """Return the key as a PEM file, encrypted if there is a passphrase."""
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase) if passphrase is not None else NoEncryption()
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def is_secret(data: bytes) -> bool:
    """Tell whether a file holds a secret key in PEM, under a passphrase or not."""
    return re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----", data) is not None


def is_encrypted(pem: bytes) -> bool:
    """Tell whether a PEM file asks for a passphrase."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in pem


def decode_key(pem: bytes, passphrase: bytes | None) -> Ed25519PrivateKey:
    """Return the key in a PEM file.

    Raises:
        BadKeyFile: not an Ed25519 key, or the passphrase is missing or wrong.
    """
    if is_encrypted(pem) and passphrase is None:
        raise BadKeyFile("the key is encrypted and needs its passphrase", hint="give --passphrase-file")
    try:
        key = load_pem_private_key(pem, passphrase if is_encrypted(pem) else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if is_encrypted(pem):
            raise BadKeyFile("the passphrase does not open the key") from error
        raise BadKeyFile("not a private key in PEM", hint="make one with: tutela authority create") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKeyFile("the key is not an Ed25519 key", hint="make one with: tutela authority create")
    return key
