"""The keys that vouch for devices, and every way in which a chain can fail to hold."""

from __future__ import annotations

import copy
import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from signedjson import key as signedjson_key
from signedjson import sign as signedjson_sign

from tutela.integrations.matrix.cross_signing import (
    PrivateIdentity,
    device_signature_upload,
    device_signing_upload,
    fingerprint,
    public_key,
    read_device,
    read_identity,
    verify_device,
)
from tutela.integrations.matrix.errors import BadKeySignature
from tutela.integrations.matrix.signed_json import encode_base64, sign_json, verify_json

USER = "@mia:example.org"
DEVICE = "MIASPHONE"


class Device:
    """A device's keys as its Olm account would sign them."""

    def __init__(self, user_id: str = USER, device_id: str = DEVICE) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.keys = sign_json(
            {
                "user_id": user_id,
                "device_id": device_id,
                "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
                "keys": {
                    f"ed25519:{device_id}": public_key(self.key),
                    f"curve25519:{device_id}": encode_base64(secrets.token_bytes(32)),
                },
            },
            user_id,
            device_id,
            self.key,
        )

    def sign(self, data: bytes) -> str:
        return encode_base64(self.key.sign(data))


@pytest.fixture
def identity() -> PrivateIdentity:
    return PrivateIdentity.generate(secrets.token_bytes)


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def upload(identity: PrivateIdentity, device: Device) -> dict[str, Any]:
    return device_signing_upload(identity, USER, DEVICE, device.sign)


def test_the_uploads_make_a_chain_that_verifies(identity: PrivateIdentity, device: Device, upload: dict[str, Any]):
    public = read_identity(USER, upload["master_key"], upload["self_signing_key"])
    assert public == identity.public(USER)
    verify_json(upload["master_key"], USER, DEVICE, public_key(device.key))
    verify_json(upload["user_signing_key"], USER, public.master, public.master)
    signed = device_signature_upload(identity, USER, {**device.keys, "unsigned": {"device_display_name": "Phone"}})
    verify_device(public, signed[USER][DEVICE])
    assert "unsigned" not in signed[USER][DEVICE]
    assert upload["master_key"]["usage"] == ["master"]


def test_an_independent_implementation_verifies_the_chain(
    identity: PrivateIdentity, device: Device, upload: dict[str, Any]
):
    def verify(value: dict[str, Any], key_id: str, public: str) -> None:
        key = signedjson_key.decode_verify_key_bytes(f"ed25519:{key_id}", signedjson_key.decode_base64(public))
        signedjson_sign.verify_signed_json(value, USER, key)

    public = identity.public(USER)
    verify(upload["master_key"], DEVICE, public_key(device.key))
    verify(upload["self_signing_key"], public.master, public.master)
    signed = device_signature_upload(identity, USER, device.keys)[USER][DEVICE]
    verify(signed, public.self_signing, public.self_signing)


def test_the_seeds_are_the_identity(identity: PrivateIdentity):
    assert PrivateIdentity.from_seeds(*identity.seeds).public(USER) == identity.public(USER)
    assert all(seed.hex() not in repr(identity) for seed in identity.seeds)


def _other_key(name: str) -> Any:
    def damage(upload: dict[str, Any]) -> None:
        key = public_key(Ed25519PrivateKey.generate())
        upload[name]["keys"] = {f"ed25519:{key}": key}

    return damage


def _set(name: str, field: str, value: Any) -> Any:
    def damage(upload: dict[str, Any]) -> None:
        upload[name][field] = value

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        _other_key("master_key"),
        _other_key("self_signing_key"),
        _set("master_key", "usage", ["self_signing"]),
        _set("master_key", "usage", "master"),
        _set("self_signing_key", "usage", ["master"]),
        _set("master_key", "user_id", "@eve:example.org"),
        _set("self_signing_key", "user_id", "@eve:example.org"),
        _set("master_key", "keys", {}),
        _set("master_key", "keys", []),
        _set("master_key", "keys", {"ed25519:a": "AAAA"}),
        _set("master_key", "keys", {"ed25519:x": encode_base64(bytes(31) + b"1")}),
        _set("self_signing_key", "signatures", {}),
        lambda upload: upload["master_key"]["keys"].update({"ed25519:AA": "AA"}),
    ],
)
def test_a_broken_identity_is_refused(upload: dict[str, Any], damage: Any):
    damage(upload)
    with pytest.raises(BadKeySignature):
        read_identity(USER, upload["master_key"], upload["self_signing_key"])


def test_the_master_key_of_another_identity_does_not_vouch(upload: dict[str, Any], device: Device):
    eve = device_signing_upload(PrivateIdentity.generate(secrets.token_bytes), USER, DEVICE, device.sign)
    with pytest.raises(BadKeySignature):
        read_identity(USER, eve["master_key"], upload["self_signing_key"])


def test_a_device_signed_by_another_identity_is_refused(identity: PrivateIdentity, device: Device):
    other = PrivateIdentity.generate(secrets.token_bytes)
    signed = device_signature_upload(other, USER, device.keys)[USER][DEVICE]
    with pytest.raises(BadKeySignature):
        verify_device(identity.public(USER), signed)
    with pytest.raises(BadKeySignature):
        verify_device(identity.public(USER), device.keys)


def test_the_master_key_itself_does_not_vouch_for_devices(identity: PrivateIdentity, device: Device):
    signed = sign_json(device.keys, USER, public_key(identity.master), identity.master)
    with pytest.raises(BadKeySignature):
        verify_device(identity.public(USER), signed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda keys: keys.update(user_id="@eve:example.org"),
        lambda keys: keys.update(device_id="OTHER"),
        lambda keys: keys.update(keys=[]),
        lambda keys: keys["keys"].pop(f"curve25519:{DEVICE}"),
        lambda keys: keys["keys"].pop(f"ed25519:{DEVICE}"),
        lambda keys: keys["keys"].update({f"curve25519:{DEVICE}": encode_base64(bytes(32))}),
        lambda keys: keys["keys"].update({f"ed25519:{DEVICE}": encode_base64(bytes(31))}),
        lambda keys: keys["keys"].update({f"ed25519:{DEVICE}": 7}),
        lambda keys: keys["keys"].update({f"ed25519:{DEVICE}": "###"}),
        lambda keys: keys.update(signatures={}),
        lambda keys: keys.update(algorithms=["none"]),
    ],
)
def test_a_device_that_did_not_sign_its_keys_is_refused(device: Device, identity: PrivateIdentity, damage: Any):
    keys = copy.deepcopy(device.keys)
    damage(keys)
    with pytest.raises(BadKeySignature):
        read_device(USER, DEVICE, keys)
    with pytest.raises(BadKeySignature):
        device_signature_upload(identity, USER, keys)


def test_keys_have_one_spelling(device: Device):
    # The last character of 32 bytes in base64 has spare bits: another spelling of the same key must not pass.
    keys = copy.deepcopy(device.keys)
    key = keys["keys"][f"ed25519:{DEVICE}"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    keys["keys"][f"ed25519:{DEVICE}"] = key[:-1] + alphabet[alphabet.index(key[-1]) + 1]
    with pytest.raises(BadKeySignature):
        read_device(USER, DEVICE, sign_json({**keys, "signatures": {}}, USER, DEVICE, device.key))


def test_a_fingerprint_is_in_groups_of_four(identity: PrivateIdentity):
    master = identity.public(USER).master
    groups = fingerprint(master).split(" ")
    assert "".join(groups) == master
    assert {len(group) for group in groups[:-1]} == {4}
