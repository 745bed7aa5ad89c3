"""Encrypted attachments: what is accepted, and what is not."""

from __future__ import annotations

import base64
import copy
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from tutela.integrations.matrix.errors import MalformedMedia, MediaHashMismatch
from tutela.integrations.matrix.media import decrypt, encrypt, read_file

URL = "mxc://example.org/AbC-1_2"


def made(data: bytes = b"a picture") -> tuple[bytes, dict[str, Any]]:
    ciphertext, file = encrypt(data)
    return ciphertext, {**file, "url": URL}


@given(st.binary(max_size=2000))
def test_what_is_encrypted_is_decrypted(data: bytes):
    ciphertext, file = made(data)
    read = read_file(file)
    assert decrypt(read, ciphertext) == data
    assert (read.server, read.media_id) == ("example.org", "AbC-1_2")


def test_an_independent_implementation_decrypts_it():
    ciphertext, file = made(b"x" * 100)
    key = base64.urlsafe_b64decode(file["key"]["k"] + "=")
    iv = base64.b64decode(file["iv"] + "==")
    opened = Cipher(algorithms.AES(key), modes.CTR(iv)).decryptor().update(ciphertext)
    assert opened == b"x" * 100
    assert base64.b64decode(file["hashes"]["sha256"] + "=") == hashlib.sha256(ciphertext).digest()
    assert iv[8:] == bytes(8)


def test_every_file_has_its_own_key():
    files = [encrypt(b"same")[1] for _ in range(3)]
    assert len({file["key"]["k"] for file in files}) == len({file["iv"] for file in files}) == 3


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: c + b"\0", lambda c: bytes([c[0] ^ 1]) + c[1:]])
def test_an_altered_attachment_is_refused(damage: Any):
    ciphertext, file = made()
    with pytest.raises(MediaHashMismatch):
        decrypt(read_file(file), damage(ciphertext))


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.pop("url"),
        lambda file: file.update(url="https://example.org/x"),
        lambda file: file.update(url="mxc://example.org/"),
        lambda file: file.update(url="mxc://example.org/../admin"),
        lambda file: file.update(url="mxc://example.org/a?b=c"),
        lambda file: file.update(url="mxc://example.org/a\n"),
        lambda file: file.update(url=1),
        lambda file: file.pop("v"),
        lambda file: file.update(v="v1"),
        lambda file: file.update(key="x"),
        lambda file: file["key"].update(alg="A128CTR"),
        lambda file: file["key"].update(kty="RSA"),
        lambda file: file["key"].update(k="AAAA"),
        lambda file: file["key"].update(k=file["key"]["k"] + "\n"),
        lambda file: file["key"].pop("k"),
        lambda file: file.update(iv="AAAA"),
        lambda file: file.update(iv="é" * 22),
        lambda file: file.update(iv=None),
        lambda file: file.update(hashes={}),
        lambda file: file.update(hashes=[]),
        lambda file: file["hashes"].update(sha256="AAAA"),
    ],
)
def test_a_malformed_description_is_refused(damage: Any):
    file = copy.deepcopy(made()[1])
    damage(file)
    with pytest.raises(MalformedMedia):
        read_file(file)


@pytest.mark.parametrize("value", [None, "x", 1, [], {}])
def test_no_description_is_refused(value: Any):
    with pytest.raises(MalformedMedia):
        read_file(value)
