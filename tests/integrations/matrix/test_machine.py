"""Olm and Megolm between devices in memory: who is given a key, who is not, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tutela.device.errors import DamagedProfile
from tutela.integrations.matrix.cross_signing import DeviceKeys, read_device
from tutela.integrations.matrix.errors import UndecryptableEvent
from tutela.integrations.matrix.machine import OLM, ONE_TIME_KEY, Machine
from tutela.integrations.matrix.rooms import MEGOLM
from tutela.integrations.matrix.signed_json import verify_json

ROOM = "!room:example.org"
MIA, LEO, ZOE = "@mia:example.org", "@leo:example.org", "@zoe:example.org"


class Device:
    """A machine with its published keys and a mailbox."""

    def __init__(self, user_id: str, device_id: str, folder: Path) -> None:
        folder.mkdir()
        self.machine = Machine(user_id, device_id, folder, "passphrase")
        self.upload = self.machine.keys_upload()
        assert self.upload is not None
        self.machine.keys_uploaded(50)
        self.keys = read_device(user_id, device_id, self.upload["device_keys"])
        self.one_time_keys = list(self.upload["one_time_keys"].items())

    def claim(self) -> dict[str, Any]:
        return dict([self.one_time_keys.pop()])


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Callable[..., Device]]:
    made: list[Device] = []

    def make(user_id: str, device_id: str | None = None) -> Device:
        made.append(Device(user_id, device_id or f"D{len(made)}", tmp_path / str(len(made))))
        return made[-1]

    yield make
    for one in made:
        one.machine.close()


def share(sender: Device, *targets: Device) -> dict[str, dict[str, dict[str, Any]]]:
    """Give the room's key to the targets; return the messages."""
    devices = [target.keys for target in targets]
    wanted = sender.machine.missing_olm_sessions(devices)
    claimed = {
        target.keys.user_id: {target.keys.device_id: target.claim()}
        for target in targets
        if target.keys.device_id in wanted.get(target.keys.user_id, {})
    }
    sender.machine.start_olm_sessions([keys for keys in devices if keys.user_id in claimed], claimed)
    messages = sender.machine.room_key_messages(ROOM, devices)
    for target in targets:
        content = messages.get(target.keys.user_id, {}).get(target.keys.device_id)
        if content:
            target.machine.receive([to_device(sender, content)])
    sender.machine.room_key_sent(ROOM, devices, messages)
    return messages


def to_device(sender: Device, content: Any) -> dict[str, Any]:
    return {"type": "m.room.encrypted", "sender": sender.keys.user_id, "content": content}


def event(sender: Device, text: str, event_id: str = "$1") -> dict[str, Any]:
    content = sender.machine.encrypt(ROOM, "m.room.message", {"body": text})
    return {"event_id": event_id, "type": "m.room.encrypted", "sender": sender.keys.user_id, "content": content}


def test_a_message_is_read_by_those_who_have_the_key(device: Callable[..., Device]):
    mia, leo, zoe = device(MIA), device(LEO), device(ZOE)
    share(mia, leo)
    sent = event(mia, "hello")
    opened = leo.machine.decrypt(ROOM, sent)
    assert (opened.type, opened.content["body"]) == ("m.room.message", "hello")
    assert (opened.curve25519, opened.ed25519) == (mia.keys.curve25519, mia.keys.ed25519)
    assert mia.machine.decrypt(ROOM, sent).content == opened.content
    with pytest.raises(UndecryptableEvent) as missing:
        zoe.machine.decrypt(ROOM, sent)
    assert missing.value.missing_key
    assert leo.machine.has_session(ROOM, sent["content"]["session_id"])
    assert not zoe.machine.has_session(ROOM, sent["content"]["session_id"])


def test_the_key_is_sent_once_to_each_and_later_to_who_comes_later(device: Callable[..., Device]):
    mia, leo, zoe = device(MIA), device(LEO), device(ZOE)
    assert set(share(mia, leo)) == {LEO}
    assert share(mia, leo) == {}
    before = event(mia, "before")
    assert set(share(mia, leo, zoe)) == {ZOE}
    after = event(mia, "after", "$2")
    assert before["content"]["session_id"] == after["content"]["session_id"]
    assert zoe.machine.decrypt(ROOM, after).content["body"] == "after"
    with pytest.raises(UndecryptableEvent):
        zoe.machine.decrypt(ROOM, before)


@pytest.mark.parametrize("change", ["gone", "another key"])
def test_who_is_out_does_not_read_on(device: Callable[..., Device], change: str):
    mia, leo, zoe = device(MIA), device(LEO), device(ZOE, "PHONE")
    share(mia, leo, zoe)
    first = event(mia, "first")
    if change == "gone":
        assert set(share(mia, leo)) == {LEO}
    else:
        # The same name with another key is another device.
        other = device(ZOE, "PHONE")
        assert set(share(mia, leo, other)) == {LEO, ZOE}
    second = event(mia, "second", "$2")
    assert zoe.machine.decrypt(ROOM, first).content["body"] == "first"
    with pytest.raises(UndecryptableEvent):
        zoe.machine.decrypt(ROOM, second)
    assert leo.machine.decrypt(ROOM, second).content["body"] == "second"


def test_a_key_is_renewed_after_many_messages(device: Callable[..., Device]):
    mia, leo = device(MIA), device(LEO)
    share(mia, leo)
    sessions = set()
    for number in range(101):
        share(mia, leo)
        sessions.add(event(mia, "x", f"${number}")["content"]["session_id"])
    assert len(sessions) == 2


def test_two_devices_of_one_name_belong_to_two_users(device: Callable[..., Device]):
    mia, leo = device(MIA, "SAME"), device(LEO, "SAME")
    assert set(share(mia, leo)) == {LEO}
    assert leo.machine.decrypt(ROOM, event(mia, "hello")).content["body"] == "hello"


def test_a_replay_is_refused_and_the_same_event_is_not(device: Callable[..., Device]):
    mia, leo = device(MIA), device(LEO)
    share(mia, leo)
    sent = event(mia, "yes")
    opened = leo.machine.decrypt(ROOM, sent)
    assert leo.machine.decrypt(ROOM, {**sent, "event_id": "$other"}) == opened
    for _ in range(2):
        leo.machine.check_new(opened, MIA, "$1", established=True)
    with pytest.raises(UndecryptableEvent, match="replay"):
        leo.machine.check_new(opened, MIA, "$other", established=True)


def test_a_message_of_another_room_is_refused(device: Callable[..., Device]):
    mia, leo = device(MIA), device(LEO)
    share(mia, leo)
    sent = event(mia, "yes")
    leo.machine._olm.inbound_group_store._entries["!other"] = leo.machine._olm.inbound_group_store[ROOM]
    with pytest.raises(UndecryptableEvent, match="not meant for this room"):
        leo.machine.decrypt("!other", sent)


@pytest.mark.parametrize(
    "inner",
    [
        b"[]",
        b"no json",
        b"\xff\xfe",
        b"{}",
        json.dumps({"room_id": ROOM}).encode(),
        json.dumps({"room_id": ROOM, "type": 1, "content": {}}).encode(),
        json.dumps({"room_id": ROOM, "type": "m.room.message", "content": []}).encode(),
        b"[" * 100_000,
    ],
)
def test_damaged_contents_are_refused(device: Callable[..., Device], inner: bytes):
    mia, leo = device(MIA), device(LEO)
    share(mia, leo)
    session = mia.machine._olm.outbound_group_sessions[ROOM]
    ciphertext = session._session.encrypt(inner).to_base64()
    sent = {
        "event_id": "$1",
        "content": {"algorithm": MEGOLM, "session_id": session.id, "ciphertext": ciphertext},
    }
    with pytest.raises(UndecryptableEvent):
        leo.machine.decrypt(ROOM, sent)


def test_altered_ciphertext_is_refused(device: Callable[..., Device]):
    mia, leo = device(MIA), device(LEO)
    share(mia, leo)
    sent = event(mia, "yes")
    text = sent["content"]["ciphertext"]
    sent["content"]["ciphertext"] = text[:40] + ("A" if text[40] != "A" else "B") + text[41:]
    with pytest.raises(UndecryptableEvent, match="damaged"):
        leo.machine.decrypt(ROOM, sent)


def test_a_key_for_another_recipient_is_not_taken(device: Callable[..., Device]):
    mia, leo, zoe = device(MIA), device(LEO), device(ZOE)
    messages = share(mia, leo)
    zoe.machine.receive([to_device(mia, messages[LEO][leo.keys.device_id])])
    leo.machine.receive([to_device(zoe, messages[LEO][leo.keys.device_id])])
    assert not zoe.machine.has_session(ROOM, event(mia, "x")["content"]["session_id"])


def test_a_key_under_a_false_name_is_not_taken(device: Callable[..., Device]):
    mia, leo = device(MIA), device(LEO)
    mia.machine.start_olm_sessions([leo.keys], {LEO: {leo.keys.device_id: leo.claim()}})
    messages = mia.machine.room_key_messages(ROOM, [leo.keys])
    forged = {**to_device(mia, messages[LEO][leo.keys.device_id]), "sender": ZOE}
    leo.machine.receive([forged])
    mia.machine.room_key_sent(ROOM, [leo.keys], messages)
    assert not leo.machine.has_session(ROOM, event(mia, "x")["content"]["session_id"])


def test_uploaded_keys_are_signed_and_topped_up(device: Callable[..., Device]):
    mia = device(MIA)
    assert mia.upload is not None
    for keys in (mia.upload["one_time_keys"], mia.upload["fallback_keys"]):
        for key in keys.values():
            verify_json(key, MIA, mia.keys.device_id, mia.keys.ed25519)
    assert [key["fallback"] for key in mia.upload["fallback_keys"].values()] == [True]
    assert mia.machine.keys_upload() is None
    mia.machine.note_counts(0, unused_fallback_key=True)
    more = mia.machine.keys_upload()
    assert more is not None
    assert "device_keys" not in more
    assert not set(more["one_time_keys"]) & set(mia.upload["one_time_keys"])
    mia.machine.keys_uploaded(len(more["one_time_keys"]))
    mia.machine.note_counts(50, unused_fallback_key=False)
    renewed = mia.machine.keys_upload()
    assert renewed is not None
    assert set(renewed) == {"fallback_keys"}
    mia.machine.forget_upload()
    assert "device_keys" in (mia.machine.keys_upload() or {})


@pytest.mark.parametrize("count", [-(10**9), -1, 0, 49, 10**400])
def test_no_more_keys_are_made_than_there_can_be(device: Callable[..., Device], count: int):
    mia = device(MIA)
    most = mia.machine._olm.account.max_one_time_keys
    for note in (
        lambda: mia.machine.note_counts(count, unused_fallback_key=False),
        lambda: mia.machine.keys_uploaded(count),
    ):
        note()
        assert len((mia.machine.keys_upload() or {}).get("one_time_keys", {})) <= most


@pytest.mark.parametrize("claimed", [None, [], {}, {LEO: []}, {LEO: {"D1": {}}}, {LEO: {"D1": {"a": 1, "b": 2}}}])
def test_malformed_one_time_keys_start_nothing(device: Callable[..., Device], claimed: Any):
    mia, leo = device(MIA), device(LEO)
    assert mia.machine.start_olm_sessions([leo.keys], claimed) == []
    assert mia.machine.missing_olm_sessions([leo.keys]) == {LEO: {"D1": ONE_TIME_KEY}}
    assert mia.machine.room_key_messages(ROOM, [leo.keys]) == {}


def test_an_account_survives_and_opens_only_with_its_passphrase(tmp_path: Path):
    first = Machine(MIA, "D", tmp_path, "passphrase")
    keys = (first.ed25519, first.curve25519)
    first.close()
    stored = (tmp_path / "olm.db").read_bytes()
    assert keys[0].encode() not in stored
    again = Machine(MIA, "D", tmp_path, "passphrase")
    assert (again.ed25519, again.curve25519) == keys
    again.close()
    with pytest.raises(DamagedProfile):
        Machine(MIA, "D", tmp_path, "another")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from([OLM, MEGOLM, MIA]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "content", "sender", "algorithm", "sender_key", "ciphertext", "body", "session_id"]
            ),
            children,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@pytest.fixture
def lone(device: Callable[..., Device]) -> Machine:
    return device(MIA).machine


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # one machine survives all of them
@given(
    anything
    | st.fixed_dictionaries(
        {
            "type": st.just("m.room.encrypted"),
            "sender": anything,
            "content": anything
            | st.fixed_dictionaries(
                {"algorithm": st.sampled_from([OLM, MEGOLM]), "sender_key": anything, "ciphertext": anything}
            ),
        }
    )
)
def test_whatever_arrives_is_survived(lone: Machine, value: Any):
    lone.receive([value])
    with pytest.raises(UndecryptableEvent):
        lone.decrypt(ROOM, value if isinstance(value, dict) else {"content": value})


def test_device_keys_are_what_others_read(device: Callable[..., Device]):
    mia = device(MIA)
    assert mia.keys == DeviceKeys(MIA, "D0", mia.machine.ed25519, mia.machine.curve25519)
