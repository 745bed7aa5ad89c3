"""A list authority's key and descriptor."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harness.epochs import make_signer
from tutela.lists.authority import (
    decode_key,
    describe,
    encode_key,
    is_encrypted,
    key_of_seed,
    public_hex,
    public_key_of,
)
from tutela.lists.errors import BadKeyFile

KEY = key_of_seed(bytes(range(32)))


def test_a_key_reads_back() -> None:
    pem = encode_key(KEY, None)
    assert not is_encrypted(pem)
    assert public_hex(decode_key(pem, None)) == public_hex(KEY)
    assert public_hex(decode_key(pem, b"not needed")) == public_hex(KEY)


def test_a_key_under_a_passphrase_reads_back_with_it_alone() -> None:
    pem = encode_key(KEY, "pässword".encode())
    assert is_encrypted(pem)
    assert KEY.private_bytes_raw() not in pem
    assert public_hex(decode_key(pem, "pässword".encode())) == public_hex(KEY)
    with pytest.raises(BadKeyFile, match="needs its passphrase"):
        decode_key(pem, None)
    with pytest.raises(BadKeyFile, match="does not open"):
        decode_key(pem, b"wrong")


@pytest.mark.parametrize("pem", [b"", b"hello", encode_key(KEY, None)[:60]])
def test_what_is_no_key_is_refused(pem: bytes) -> None:
    with pytest.raises(BadKeyFile, match="not a private key"):
        decode_key(pem, None)


def test_a_key_of_another_kind_is_refused() -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BadKeyFile, match="not an Ed25519 key"):
        decode_key(other, None)


def test_a_descriptor_names_the_public_half() -> None:
    made = describe(KEY, authority_id="aurora", name="Aurora", jurisdiction="FI")
    assert public_key_of(made).public_bytes_raw() == KEY.public_key().public_bytes_raw()
    assert make_signer("aurora", "FI").authority.public_key != made.public_key
