"""Franking: what opens what, what a stamp belongs to, and each way of passing off one for another."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.wire.errors import BadOpening, BadStamp, MalformedMessage
from tutela.wire.franking import (
    FrankedMessage,
    Stamp,
    StampedEvent,
    check_opening,
    check_stamp,
    commit,
    stamp,
    stamp_key_id,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "franking.json").read_text())

KEY = bytes(range(32))
OPENING = bytes(range(32, 64))
MESSAGE = FrankedMessage("!r:a.example", "@leo:a.example", "m.room.message", b'{"body":"hello","msgtype":"m.text"}')
EVENT = StampedEvent("$e1", "!r:a.example", "@leo:a.example", commit(MESSAGE, OPENING))

ids = st.text(min_size=1, max_size=40)
messages = st.builds(FrankedMessage, ids, ids, ids, st.binary(max_size=200))
openings = st.binary(min_size=32, max_size=32)


def test_a_commitment_opens_to_its_message() -> None:
    check_opening(commit(MESSAGE, OPENING), MESSAGE, OPENING)


@pytest.mark.parametrize("vector", VECTORS["commitments"], ids=lambda v: v["name"])
def test_commitment_vectors(vector: dict[str, Any]) -> None:
    message = FrankedMessage(vector["room_id"], vector["sender"], vector["type"], vector["content"].encode())

    assert message.encode().hex() == vector["encoded"]
    assert commit(message, bytes.fromhex(vector["opening"])).hex() == vector["commitment"]


@pytest.mark.parametrize("vector", VECTORS["stamps"], ids=lambda v: v["name"])
def test_stamp_vectors(vector: dict[str, Any]) -> None:
    key = bytes.fromhex(vector["key"])
    event = StampedEvent(vector["event_id"], vector["room_id"], vector["sender"], bytes.fromhex(vector["commitment"]))

    made = stamp(key, vector["server"], event, time=vector["time"], received=vector["received"])

    assert msgspec.to_builtins(made) == vector["stamp"]


def test_the_construction_is_hmac_as_the_text_says() -> None:
    """Computed here from docs/wire.md alone, without the module's own helpers."""
    parts = [b"!r:a.example", b"@leo:a.example", b"m.room.message", MESSAGE.content]
    plain = b"tutela/franking/message/1\x00" + b"".join(struct.pack(">I", len(p)) + p for p in parts)
    commitment = hmac.new(OPENING, plain, hashlib.sha256).digest()
    key_id = hashlib.sha256(b"tutela/franking/stamp-key-id/1\x00" + KEY).hexdigest()[:16]
    facts = [b"a.example", key_id.encode(), b"$e1", b"!r:a.example", b"@leo:a.example"]
    facts += [struct.pack(">QB", 1_700_000_000_000, 0), commitment]
    mac = hmac.new(
        KEY, b"tutela/franking/stamp/1\x00" + b"".join(struct.pack(">I", len(p)) + p for p in facts), hashlib.sha256
    )

    made = stamp(KEY, "a.example", EVENT, time=1_700_000_000_000, received=False)

    assert (EVENT.commitment, made.key, made.mac) == (commitment, key_id, mac.hexdigest())


@given(messages, messages, openings, openings)
def test_nothing_else_opens_a_commitment(one: FrankedMessage, other: FrankedMessage, a: bytes, b: bytes) -> None:
    if (one, a) == (other, b):
        return
    with pytest.raises(BadOpening):
        check_opening(commit(one, a), other, b)


@given(st.lists(ids, min_size=3, max_size=3), st.binary(max_size=50), st.data())
def test_moving_a_boundary_is_another_message(names: list[str], content: bytes, data: st.DataObject) -> None:
    """Parts joined in another way must not give the same bytes."""
    joined = "".join(names)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(joined)), min_size=2, max_size=2)))
    moved = [joined[: cuts[0]], joined[cuts[0] : cuts[1]], joined[cuts[1] :]]

    same = FrankedMessage(*names, content).encode() == FrankedMessage(*moved, content).encode()

    assert same == (names == moved)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_an_opening_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(MalformedMessage):
        commit(MESSAGE, bytes(length))


def test_a_short_message_cannot_be_guessed_from_its_commitment() -> None:
    """MSC4382's weakness: with a pepper that the server knows, short messages can be tried out. Here nothing that the
    server sees (the commitment, and the same message committed to again) tells a right guess from a wrong one."""
    commitments = {commit(MESSAGE, bytes([n]) * 32) for n in range(64)}

    assert len(commitments) == 64  # the same word never looks the same twice
    guesses = [b'{"body":"yes"}', b'{"body":"no"}', MESSAGE.content]
    for guess in guesses:
        unkeyed = hashlib.sha256(guess).digest()
        peppered = hmac.digest(KEY, guess, hashlib.sha256)
        assert not {unkeyed, peppered} & commitments


@pytest.mark.parametrize(
    "other",
    [
        replace(EVENT, event_id="$e2"),
        replace(EVENT, room_id="!other:a.example"),
        replace(EVENT, sender="@mia:a.example"),
        replace(EVENT, commitment=bytes(32)),
        replace(EVENT, event_id="$e1!r", room_id=":a.example"),
    ],
    ids=["event", "room", "sender", "commitment", "boundary"],
)
def test_a_stamp_belongs_to_one_event(other: StampedEvent) -> None:
    made = stamp(KEY, "a.example", EVENT, time=5, received=False)
    check_stamp(KEY, made, EVENT)

    with pytest.raises(BadStamp):
        check_stamp(KEY, made, other)


@pytest.mark.parametrize(
    "change",
    [{"time": 6}, {"received": True}, {"server": "b.example"}, {"key": "0" * 16}, {"mac": "0" * 64}],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_stamp_is_refused(change: dict[str, Any]) -> None:
    made = stamp(KEY, "a.example", EVENT, time=5, received=False)

    with pytest.raises(BadStamp):
        check_stamp(KEY, msgspec.structs.replace(made, **change), EVENT)


def test_a_stamp_by_another_key_is_refused() -> None:
    made = stamp(bytes(32), "a.example", EVENT, time=5, received=False)

    with pytest.raises(BadStamp):
        check_stamp(KEY, made, EVENT)


def test_whoever_holds_the_key_can_make_any_stamp() -> None:
    """Deniability: a stamp convinces its provider alone, for the provider could have made it itself."""
    never_sent = FrankedMessage(MESSAGE.room_id, "@anybody:a.example", MESSAGE.type, b'{"body":"never said"}')
    event = StampedEvent("$never", MESSAGE.room_id, "@anybody:a.example", commit(never_sent, OPENING))

    check_opening(event.commitment, never_sent, OPENING)
    check_stamp(KEY, stamp(KEY, "a.example", event, time=7, received=False), event)


def test_the_id_of_a_key_tells_nothing_of_it() -> None:
    assert stamp_key_id(KEY) != stamp_key_id(bytes(32))
    assert stamp_key_id(KEY) not in KEY.hex()


def test_a_stamp_from_the_wire_has_no_other_form() -> None:
    good = msgspec.to_builtins(stamp(KEY, "a.example", EVENT, time=5, received=False))
    for change in (
        {"version": 2},
        {"time": -1},
        {"time": 1.5},
        {"received": 1},
        {"mac": "AB" * 32},
        {"mac": good["mac"] + "\n"},
        {"key": "xyz"},
        {"server": ""},
        {"more": 1},
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(good | change, Stamp)
