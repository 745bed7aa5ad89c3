"""Commitments to Matrix content: what a sender makes of it, and what a receiver finds, whatever was made up."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.integrations.matrix.errors import MalformedJson
from tutela.integrations.matrix.franking import Franked, Franking, check, frank
from tutela.integrations.matrix.signed_json import canonical_json
from tutela.wire.document import encode
from tutela.wire.franking import COMMITMENT_FIELD, OPENING_FIELD, STAMP_FIELD, StampedEvent, check_opening, stamp
from tutela.wire.report import MessageEvidence

ROOM, LEO, KIND, TIME = "!r:family.example", "@leo:family.example", "m.room.message", 1_700_000_000_000
OPENING = bytes(range(32))
CONTENT = {"msgtype": "m.text", "body": "hello"}
KEY = b"k" * 32

texts = st.text(max_size=20)
canonical = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=20,
)
contents = st.dictionaries(texts.filter(lambda name: name != OPENING_FIELD), canonical, max_size=5)
openings = st.binary(min_size=32, max_size=32)
halves = st.text(st.characters(), max_size=6)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | halves,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(halves, children, max_size=3),
    max_leaves=10,
)


def sent(content: dict[str, Any], opening: bytes = OPENING) -> tuple[dict[str, Any], dict[str, Any]]:
    """The event as the homeserver has it, and the content as its receiver decrypts it."""
    inside, commitment = frank(ROOM, LEO, KIND, content, opening)
    return {"content": {"ciphertext": "…", COMMITMENT_FIELD: commitment}}, json.loads(json.dumps(inside))


def found(event: Any, content: Any, **changed: Any) -> Franked:
    head = {"room_id": ROOM, "event_id": "$e", "sender": LEO, "sent_at": TIME, "event_type": KIND} | changed
    return check(event, content=content, **head)


def stamped(commitment: str) -> dict[str, Any]:
    event = StampedEvent("$e", ROOM, LEO, base64.b64decode(commitment))
    return dict(msgspec.to_builtins(stamp(KEY, "family.example", event, time=TIME, received=False)))


@given(contents, openings)
def test_what_is_sent_is_found_committed(content: dict[str, Any], opening: bytes):
    event, inside = sent(content, opening)
    franked = found(event, inside)

    assert franked.franking is Franking.COMMITTED
    assert franked.evidence is not None
    assert franked.evidence.content.encode() == canonical_json(content)
    commitment = base64.b64decode(event["content"][COMMITMENT_FIELD])
    assert franked.evidence.opened() == (commitment, opening)
    check_opening(commitment, franked.evidence.message, opening)


def test_the_form_is_padded_base64_beside_and_inside():
    inside, commitment = frank(ROOM, LEO, KIND, CONTENT, OPENING)
    assert inside == {**CONTENT, OPENING_FIELD: base64.b64encode(OPENING).decode()}
    assert len(commitment) == len(inside[OPENING_FIELD]) == 44
    assert commitment != inside[OPENING_FIELD]


def test_an_opening_that_was_there_before_is_replaced_and_not_committed_to():
    assert frank(ROOM, LEO, KIND, {**CONTENT, OPENING_FIELD: "of another"}, OPENING) == frank(
        ROOM, LEO, KIND, CONTENT, OPENING
    )


@pytest.mark.parametrize("value", [1.5, 2**53, "\ud800", float("nan")])
def test_content_without_a_canonical_form_is_not_committed_to(value: object):
    with pytest.raises(MalformedJson):
        frank(ROOM, LEO, KIND, {"body": value}, OPENING)


def test_a_stock_clients_message_is_the_reporters_word():
    franked = found({"content": {"ciphertext": "…"}}, CONTENT)
    assert franked.franking is Franking.ABSENT
    assert franked.evidence == MessageEvidence(
        event_id="$e", room_id=ROOM, sender=LEO, sent_at=TIME, type=KIND, content='{"body":"hello","msgtype":"m.text"}'
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("room_id", "!other:family.example"),
        ("sender", "@mia:family.example"),
        ("event_type", "m.sticker"),
        ("content", {**CONTENT, "body": "hell"}),
        ("content", {**CONTENT, "more": 1}),
    ],
)
def test_a_commitment_copied_to_another_message_is_wrong(name: str, value: Any):
    event, inside = sent(CONTENT)
    changed = {"content": {**value, OPENING_FIELD: inside[OPENING_FIELD]}} if name == "content" else {name: value}
    franked = found(event, **({"content": inside} | changed))
    assert franked.franking is Franking.WRONG
    assert franked.evidence is not None
    assert (franked.evidence.commitment, franked.evidence.opening, franked.evidence.stamps) == (None, None, ())


NOT_32_BYTES = ["", "AAAA", "A" * 43, "A" * 44, "A" * 42 + "==", "*" * 43 + "=", "A" * 100_000, 7, None, [], {}, True]


@pytest.mark.parametrize("value", NOT_32_BYTES, ids=lambda v: str(v)[:8])
def test_malformed_commitments_and_openings_are_no_proof(value: Any):
    event, inside = sent(CONTENT)
    beside = {**event, "content": {**event["content"], COMMITMENT_FIELD: value}}
    for franked in (found(beside, inside), found(event, {**inside, OPENING_FIELD: value})):
        assert franked.franking is Franking.MALFORMED
        assert franked.evidence is not None
        assert franked.evidence.opened() is None
        assert franked.evidence.content == '{"body":"hello","msgtype":"m.text"}'


def test_half_of_a_proof_is_none():
    event, inside = sent(CONTENT)
    assert found(event, CONTENT).franking is Franking.MALFORMED
    assert found({"content": {}}, inside).franking is Franking.MALFORMED


@pytest.mark.parametrize(
    ("value", "readable"),
    [
        (1.5, '"1.5"'),
        (float("nan"), '"nan"'),
        (2**53, '"9007199254740992"'),
        ("a \ud800 b", '"a ? b"'),
        ([1, 2.5, None, True], '[1,"2.5",null,true]'),
        ({"\udfff": 0.5}, '{"?":"0.5"}'),
    ],
)
def test_content_without_a_canonical_form_can_be_read_but_not_proved(value: Any, readable: str):
    event, inside = sent(CONTENT)
    franked = found(event, {**inside, "body": value})
    assert franked.franking is Franking.MALFORMED
    assert franked.evidence is not None
    assert franked.evidence.content == f'{{"body":{readable},"msgtype":"m.text"}}'
    assert franked.evidence.opened() is None
    assert found({}, {"body": value}).franking is Franking.ABSENT


def test_content_nested_too_deeply_can_be_read_as_far_as_it_goes():
    nested: Any = "end"
    for _ in range(500):
        nested = [nested]
    franked = found({}, {"body": nested})
    assert franked.evidence is not None
    assert "…" in franked.evidence.content


def test_the_stamp_is_kept_as_the_homeserver_gave_it():
    event, inside = sent(CONTENT)
    made = stamped(event["content"][COMMITMENT_FIELD])
    evidence = found({**event, "unsigned": {STAMP_FIELD: made}}, inside).evidence
    assert evidence is not None
    assert [msgspec.to_builtins(kept) for kept in evidence.stamps] == [made]
    assert msgspec.json.decode(encode(evidence), type=MessageEvidence) == evidence


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 2},
        {"server": ""},
        {"server": "x" * 256},
        {"server": "\ud800"},
        {"key": "A" * 16},
        {"time": -1},
        {"time": 253_402_300_800_000},
        {"time": "now"},
        {"received": 0},
        {"mac": "0" * 63},
        {"mac": "0" * 64 + "\n"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_malformed_stamp_is_left_out(changed: dict[str, Any]):
    event, inside = sent(CONTENT)
    made = stamped(event["content"][COMMITMENT_FIELD]) | changed
    franked = found({**event, "unsigned": {STAMP_FIELD: made}}, inside)
    assert franked.franking is Franking.COMMITTED
    assert franked.evidence is not None
    assert franked.evidence.stamps == ()


def test_without_a_commitment_a_stamp_is_left_out():
    event, _ = sent(CONTENT)
    made = stamped(event["content"][COMMITMENT_FIELD])
    franked = found({"content": {}, "unsigned": {STAMP_FIELD: made}}, CONTENT)
    assert franked.evidence is not None
    assert franked.evidence.stamps == ()


def test_what_is_longer_than_matrix_allows_cannot_be_reported():
    event, inside = sent(CONTENT)
    assert found(event, inside, event_id="$" * 256).evidence is None
    event, inside = sent({"body": "x" * 70_000})
    assert found(event, inside) == Franked(Franking.MALFORMED, None)


@pytest.mark.parametrize("number", ["1e15", "1.0", "NaN", "9" * 17])
def test_no_numbers_make_a_message_too_long_to_be_reported(number: str):
    """A sender's own client can add numbers that take more room once they are text: as many as an event holds."""
    inside = json.loads(
        '{"body":"send me more, or else","more":[' + ",".join([number] * (48_000 // (len(number) + 1))) + "]}"
    )

    franked = found({}, inside)

    assert franked.evidence is not None
    assert "send me more, or else" in franked.evidence.content


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "content": st.fixed_dictionaries({}, optional={COMMITMENT_FIELD: anything}) | anything,
            "unsigned": st.fixed_dictionaries({}, optional={STAMP_FIELD: anything}) | anything,
        },
    )
    | anything,
    st.dictionaries(st.just(OPENING_FIELD) | st.just("body") | halves, anything, max_size=4),
    halves,
    halves,
    st.integers(-(2**60), 2**60),
)
def test_nothing_makes_it_raise_and_all_it_gives_can_be_sent(
    event: Any, content: dict[str, Any], sender: str, kind: str, sent_at: int
):
    franked = found(event, content, sender=sender, event_type=kind, sent_at=sent_at)
    assert franked.franking is not Franking.COMMITTED
    if franked.evidence is not None:
        assert msgspec.json.decode(encode(franked.evidence), type=MessageEvidence) == franked.evidence
        assert OPENING_FIELD not in json.loads(franked.evidence.content)
