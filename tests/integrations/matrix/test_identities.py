"""Whom a client trusts, and how that can change."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tutela.integrations.matrix.cross_signing import (
    PrivateIdentity,
    device_signature_upload,
    device_signing_upload,
    public_key,
)
from tutela.integrations.matrix.identities import Directory, Listing, SenderTrust, Standing, read_listing
from tutela.integrations.matrix.signed_json import encode_base64, sign_json

MIA, EVE = "@mia:example.org", "@eve:example.org"


class Someone:
    """A user's side of `keys/query`: an identity and devices, signed or not."""

    def __init__(self, user_id: str = MIA) -> None:
        self.user_id = user_id
        self.devices: dict[str, Any] = {}
        self.curves: dict[str, str] = {}
        self.edwards: dict[str, str] = {}
        self.reset()

    def reset(self) -> None:
        self.identity = PrivateIdentity.generate(secrets.token_bytes)

    def add(self, device_id: str, *, signed: bool = True, curve25519: str | None = None) -> None:
        key = Ed25519PrivateKey.generate()
        self.curves[device_id] = curve25519 or encode_base64(secrets.token_bytes(32))
        self.edwards[device_id] = public_key(key)
        keys = sign_json(
            {
                "user_id": self.user_id,
                "device_id": device_id,
                "keys": {
                    f"ed25519:{device_id}": public_key(key),
                    f"curve25519:{device_id}": self.curves[device_id],
                },
            },
            self.user_id,
            device_id,
            key,
        )
        if signed:
            vouched = device_signature_upload(self.identity, self.user_id, keys)[self.user_id][device_id]
            keys["signatures"][self.user_id] |= vouched["signatures"][self.user_id]
        self.devices[device_id] = keys

    def answer(self, *, identity: bool = True) -> dict[str, Any]:
        upload = device_signing_upload(self.identity, self.user_id, "X", lambda data: "AAAA")
        published = {
            "master_keys": {self.user_id: upload["master_key"]},
            "self_signing_keys": {self.user_id: upload["self_signing_key"]},
        }
        return {"device_keys": {self.user_id: self.devices}, **(published if identity else {})}

    def listing(self, *, identity: bool = True) -> Listing:
        return read_listing(self.user_id, self.answer(identity=identity))

    @property
    def master(self) -> str:
        return self.identity.public(self.user_id).master


@pytest.fixture
def mia() -> Someone:
    someone = Someone()
    someone.add("PHONE")
    someone.add("INTRUDER", signed=False)
    return someone


def _passing(directory: Directory, user_id: str = MIA) -> list[str]:
    return [device.device_id for device in directory.passing(user_id)]


def test_a_master_key_is_pinned_when_first_seen_and_only_vouched_devices_pass(mia: Someone):
    directory = Directory()
    assert directory.standing(MIA) is Standing.ABSENT
    assert directory.learn(mia.listing()) is Standing.FIRST
    assert directory.pins == {MIA: mia.master}
    assert directory.standing(MIA) is Standing.PINNED
    assert _passing(directory) == ["PHONE"]
    assert directory.failing(MIA) == {"INTRUDER"}


def test_without_an_identity_no_device_passes(mia: Someone):
    directory = Directory()
    assert directory.learn(mia.listing(identity=False)) is Standing.ABSENT
    assert directory.pins == {}
    assert _passing(directory) == []
    assert directory.failing(MIA) == {"PHONE", "INTRUDER"}
    assert _passing(directory, "@nobody:example.org") == []


def test_another_master_key_is_a_change_until_accepted(mia: Someone):
    directory = Directory()
    directory.learn(mia.listing())
    mia.reset()
    mia.add("NEWPHONE")
    assert directory.learn(mia.listing()) is Standing.CHANGED
    assert directory.changed([MIA, EVE]) == (MIA,)
    assert _passing(directory) == []
    directory.accept(MIA, directory.published(MIA))
    assert directory.standing(MIA) is Standing.PINNED
    assert _passing(directory) == ["NEWPHONE"]


def test_an_identity_that_vanishes_is_a_change_too(mia: Someone):
    directory = Directory()
    directory.learn(mia.listing())
    assert directory.learn(mia.listing(identity=False)) is Standing.CHANGED
    assert _passing(directory) == []
    directory.accept(MIA, None)
    assert directory.standing(MIA) is Standing.ABSENT
    assert directory.changed([MIA]) == ()
    # Whatever comes after that is no first identity: it is asked about, also after a restart.
    mia.reset()
    mia.add("NEWPHONE")
    for later in (directory, Directory(pins=dict(directory.pins))):
        assert later.standing(MIA) is Standing.ABSENT
        assert later.learn(mia.listing()) is Standing.CHANGED
        assert later.changed([MIA]) == (MIA,)
        assert _passing(later) == []
    directory.accept(MIA, mia.master)
    assert _passing(directory) == ["NEWPHONE"]


def test_pins_outlive_the_session(mia: Someone):
    pins = {MIA: encode_base64(bytes(32))}
    directory = Directory(pins=pins)
    assert directory.standing(MIA) is Standing.PINNED
    assert _passing(directory) == []
    assert directory.learn(mia.listing()) is Standing.CHANGED


def test_who_sent_it(mia: Someone):
    directory = Directory()
    directory.learn(mia.listing())

    def sender(device_id: str, user_id: str = MIA) -> SenderTrust | None:
        return directory.sender(user_id, mia.curves[device_id], mia.edwards[device_id])

    assert sender("PHONE") is SenderTrust.VERIFIED
    assert sender("INTRUDER") is SenderTrust.UNSIGNED
    assert directory.sender(MIA, encode_base64(bytes(32)), mia.edwards["PHONE"]) is SenderTrust.UNKNOWN
    assert directory.sender(MIA, mia.curves["PHONE"], mia.edwards["INTRUDER"]) is None
    assert sender("PHONE", EVE) is None
    mia.reset()
    directory.learn(mia.listing())
    assert sender("PHONE") is SenderTrust.CHANGED


def test_a_copy_of_somebodys_key_does_not_make_their_messages_look_forged(mia: Someone):
    directory = Directory()
    eve = Someone(EVE)
    eve.add("COPY", curve25519=mia.curves["PHONE"])
    directory.learn(eve.listing())
    directory.learn(mia.listing())
    assert directory.sender(MIA, mia.curves["PHONE"], mia.edwards["PHONE"]) is SenderTrust.VERIFIED


@pytest.mark.parametrize(
    "damage",
    [
        lambda answer: answer["master_keys"].clear(),
        lambda answer: answer["self_signing_keys"].clear(),
        lambda answer: answer["master_keys"].update({MIA: []}),
        lambda answer: answer.update(self_signing_keys="x"),
        lambda answer: answer["self_signing_keys"][MIA].update(signatures={}),
        lambda answer: answer["device_keys"][MIA]["PHONE"]["signatures"][MIA].popitem(),
        lambda answer: answer["device_keys"][MIA]["PHONE"].update(user_id=EVE),
        lambda answer: answer["device_keys"][MIA].update(PHONE="x"),
        lambda answer: answer["device_keys"].update({MIA: "x"}),
        lambda answer: answer.clear(),
    ],
)
def test_a_chain_with_a_broken_link_holds_nothing(mia: Someone, damage: Any):
    answer = mia.answer()
    damage(answer)
    directory = Directory(pins={MIA: mia.master})
    directory.learn(read_listing(MIA, answer))
    assert _passing(directory) == []


NAMES = [MIA, "PHONE", "device_keys", "master_keys", "self_signing_keys", "keys", "signatures", "usage", "user_id"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(NAMES), children, max_size=3),
    max_leaves=12,
)


@given(json_values, json_values, json_values)
def test_whatever_the_homeserver_answers_is_read(devices: Any, masters: Any, self_signing: Any):
    answer = {"device_keys": devices, "master_keys": masters, "self_signing_keys": self_signing}
    listing = read_listing(MIA, answer)
    assert listing.identity is None
    assert listing.vouched == frozenset()
