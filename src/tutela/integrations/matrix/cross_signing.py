"""Cross-signing (Matrix client-server specification, "Cross-signing"): one identity that vouches for a user's devices.

A *master* key signs a *self-signing* key, which signs each device, and a *user-signing* key. matrix-nio has none of
it; without it today's clients hide what a device sends. Pure: keys and JSON objects in, JSON objects out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tutela.integrations.matrix.errors import BadKeySignature, MalformedJson
from tutela.integrations.matrix.signed_json import (
    JsonObject,
    decode_base64,
    encode_base64,
    sign_json,
    signable,
    verify_json,
)

MASTER: Final = "master"
SELF_SIGNING: Final = "self_signing"
USER_SIGNING: Final = "user_signing"
SEED_BYTES: Final = 32

#: Signs bytes with a device's Ed25519 key, which lives in the Olm account, and returns unpadded base64.
DeviceSigner = Callable[[bytes], str]


@dataclass(frozen=True)
class PrivateIdentity:
    """The three private keys of one user."""

    master: Ed25519PrivateKey = field(repr=False)
    self_signing: Ed25519PrivateKey = field(repr=False)
    user_signing: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, random: Callable[[int], bytes]) -> Self:
        """Make new keys from `random`, such as `secrets.token_bytes`."""
        return cls.from_seeds(*(random(SEED_BYTES) for _ in range(3)))

    @classmethod
    def from_seeds(cls, master: bytes, self_signing: bytes, user_signing: bytes) -> Self:
        """Return the keys with these Ed25519 seeds, 32 bytes each."""
        return cls(*(Ed25519PrivateKey.from_private_bytes(seed) for seed in (master, self_signing, user_signing)))

    @property
    def seeds(self) -> tuple[bytes, bytes, bytes]:
        """The three seeds. Secret."""
        return (
            self.master.private_bytes_raw(),
            self.self_signing.private_bytes_raw(),
            self.user_signing.private_bytes_raw(),
        )

    def public(self, user_id: str) -> PublicIdentity:
        """Return what others see of it."""
        return PublicIdentity(user_id, public_key(self.master), public_key(self.self_signing))


@dataclass(frozen=True)
class PublicIdentity:
    """A user's published keys after their chain was checked. `master` is what others pin."""

    user_id: str
    master: str
    self_signing: str


@dataclass(frozen=True)
class DeviceKeys:
    """A device whose keys carry its own signature. Whether its owner vouches for it is another question."""

    user_id: str
    device_id: str
    ed25519: str
    curve25519: str


def public_key(key: Ed25519PrivateKey) -> str:
    """Return the public half as Matrix writes it: unpadded base64."""
    return encode_base64(key.public_key().public_bytes_raw())


def device_signing_upload(
    identity: PrivateIdentity, user_id: str, device_id: str, sign_with_device: DeviceSigner
) -> dict[str, Any]:
    """Return the body of `keys/device_signing/upload`.

    The device signs the master key, so that its owner's other devices can tell who made it; the master key signs the
    other two.
    """
    master_id = public_key(identity.master)
    master = _key_object(user_id, MASTER, master_id)
    signature = sign_with_device(signable(master))
    return {
        "master_key": {**master, "signatures": {user_id: {f"ed25519:{device_id}": signature}}},
        **{
            f"{usage}_key": sign_json(_key_object(user_id, usage, public_key(key)), user_id, master_id, identity.master)
            for usage, key in ((SELF_SIGNING, identity.self_signing), (USER_SIGNING, identity.user_signing))
        },
    }


def device_signature_upload(identity: PrivateIdentity, user_id: str, device_keys: JsonObject) -> dict[str, Any]:
    """Return the body of `keys/signatures/upload` with which the self-signing key vouches for a device of the user.

    Raises:
        BadKeySignature: `device_keys` is not a device of this user that signed itself.
    """
    device = read_device(user_id, str(device_keys.get("device_id")), device_keys)
    bare = {name: item for name, item in device_keys.items() if name not in ("signatures", "unsigned")}
    signed = sign_json(bare, user_id, public_key(identity.self_signing), identity.self_signing)
    return {user_id: {device.device_id: signed}}


def read_identity(user_id: str, master_key: JsonObject, self_signing_key: JsonObject) -> PublicIdentity:
    """Check that the master key signed the self-signing key, and return both.

    Raises:
        BadKeySignature: an object is not such a key of this user, or the signature does not verify.
    """
    master = _read_key_object(user_id, MASTER, master_key)
    self_signing = _read_key_object(user_id, SELF_SIGNING, self_signing_key)
    verify_json(self_signing_key, user_id, master, master)
    return PublicIdentity(user_id, master, self_signing)


def read_device(user_id: str, device_id: str, device_keys: JsonObject) -> DeviceKeys:
    """Check that a device of `user_id` signed its own keys, and return them.

    Raises:
        BadKeySignature: it is another user's or another device's object, lacks a key, or is not signed by itself.
    """
    if device_keys.get("user_id") != user_id or device_keys.get("device_id") != device_id:
        raise BadKeySignature(f"the keys are not those of the device {device_id} of {user_id}")
    keys = device_keys.get("keys")
    if not isinstance(keys, dict):
        raise BadKeySignature(f"the device {device_id} of {user_id} has no keys")
    ed25519 = _read_public_key(keys.get(f"ed25519:{device_id}"))
    curve25519 = _read_public_key(keys.get(f"curve25519:{device_id}"))
    verify_json(device_keys, user_id, device_id, ed25519)
    return DeviceKeys(user_id, device_id, ed25519, curve25519)


def verify_device(identity: PublicIdentity, device_keys: JsonObject) -> None:
    """Check that the identity's self-signing key vouches for a device, the last link of the chain.

    Raises:
        BadKeySignature: it does not.
    """
    verify_json(device_keys, identity.user_id, identity.self_signing, identity.self_signing)


def fingerprint(master: str) -> str:
    """Return a master key in groups of four, for people to compare."""
    return " ".join(master[i : i + 4] for i in range(0, len(master), 4))


def _key_object(user_id: str, usage: str, key: str) -> dict[str, Any]:
    return {"user_id": user_id, "usage": [usage], "keys": {f"ed25519:{key}": key}}


def _read_key_object(user_id: str, usage: str, value: JsonObject) -> str:
    usages, keys = value.get("usage"), value.get("keys")
    if value.get("user_id") != user_id or not isinstance(usages, list) or usage not in usages:
        raise BadKeySignature(f"not a {usage} key of {user_id}")
    if not isinstance(keys, dict) or len(keys) != 1:
        raise BadKeySignature(f"the {usage} key of {user_id} is not one key")
    [(name, key)] = keys.items()
    public = _read_public_key(key)
    if name != f"ed25519:{public}":
        raise BadKeySignature(f"the {usage} key of {user_id} is not named after itself")
    return public


def _read_public_key(value: object) -> str:
    """Return a 32-byte public key in its one spelling, because keys are compared as text."""
    if isinstance(value, str):
        try:
            raw = decode_base64(value)
        except MalformedJson as error:
            raise BadKeySignature("a public key is not base64") from error
        if len(raw) == 32 and encode_base64(raw) == value.rstrip("="):
            return encode_base64(raw)
    raise BadKeySignature("a public key is missing or has not 32 bytes")
