"""Encrypted attachments (Matrix client-server specification, "Sending encrypted attachments"): AES-CTR and SHA-256.

Pure. The cipher is matrix-nio's; this module checks everything around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from nio.crypto.attachments import decrypt_attachment, encrypt_attachment
from nio.exceptions import EncryptionError

from tutela.integrations.matrix.errors import MalformedJson, MalformedMedia, MediaHashMismatch
from tutela.integrations.matrix.signed_json import decode_base64

#: The largest attachment that is sent or received, in bytes.
MEDIA_BYTES: Final = 32 << 20
_MXC: Final = re.compile(r"mxc://([A-Za-z0-9.:\[\]-]{1,255})/([A-Za-z0-9_-]{1,255})")


@dataclass(frozen=True)
class EncryptedFile:
    """Where an encrypted attachment lies and how to open it. All values were checked for their form."""

    server: str
    media_id: str
    key: str
    """AES-256 key, unpadded URL-safe base64."""
    iv: str
    sha256: str
    """Of the ciphertext. Both unpadded base64."""


def encrypt(data: bytes) -> tuple[bytes, dict[str, Any]]:
    """Encrypt under a fresh key; return the ciphertext and the `EncryptedFile` object, which still lacks its `url`."""
    ciphertext, file = encrypt_attachment(data)
    return ciphertext, file


def read_file(value: Any) -> EncryptedFile:
    """Check an `EncryptedFile` object of an event.

    Raises:
        MalformedMedia: a field is missing or of the wrong form.
    """
    if not isinstance(value, Mapping):
        raise MalformedMedia("the attachment is not encrypted, or lacks its description")
    key, hashes, url = value.get("key"), value.get("hashes"), value.get("url")
    address = _MXC.fullmatch(url) if isinstance(url, str) else None
    if address is None:
        raise MalformedMedia("the attachment has no address")
    if value.get("v") != "v2" or not isinstance(key, Mapping) or not isinstance(hashes, Mapping):
        raise MalformedMedia("the attachment is not encrypted in the way that the specification says")
    if key.get("alg") != "A256CTR" or key.get("kty") != "oct":
        raise MalformedMedia("the attachment is encrypted with another cipher")
    return EncryptedFile(
        address[1],
        address[2],
        key=_base64(key.get("k"), 32, "key"),
        iv=_base64(value.get("iv"), 16, "initial vector"),
        sha256=_base64(hashes.get("sha256"), 32, "hash"),
    )


def decrypt(file: EncryptedFile, ciphertext: bytes) -> bytes:
    """Check the hash, then decrypt.

    Raises:
        MediaHashMismatch: these are not the bytes that the sender encrypted.
        MalformedMedia: the counter would overflow, which no honest sender's does.
    """
    try:
        return bytes(decrypt_attachment(ciphertext, file.key, file.sha256, file.iv))
    except EncryptionError as error:
        raise MediaHashMismatch("the attachment was changed on its way") from error
    except (ValueError, OverflowError) as error:
        raise MalformedMedia("the attachment cannot be decrypted") from error


def _base64(value: Any, size: int, name: str) -> str:
    if isinstance(value, str) and value.isascii():
        text = value.rstrip("=")
        try:
            if len(decode_base64(text.replace("-", "+").replace("_", "/"))) == size:
                return text
        except MalformedJson:
            pass
    raise MalformedMedia(f"the attachment's {name} is missing or has not {size} bytes")
