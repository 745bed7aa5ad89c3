"""Reports on the wire: what is refused at the edge, and what an onlooker can tell from their size."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.wire import limits
from tutela.wire.document import decode, encode
from tutela.wire.errors import MalformedMessage, OversizedMessage
from tutela.wire.report import (
    LEAST_BYTES,
    Addition,
    Attachment,
    MessageEvidence,
    Report,
    ReportReason,
    padded,
    read_report,
)

THIRTY_TWO = base64.b64encode(bytes(32)).decode()


def evidence(number: int = 1, **changes: Any) -> MessageEvidence:
    values: dict[str, Any] = {
        "event_id": f"${number}",
        "room_id": "!r:a.example",
        "sender": "@leo:a.example",
        "sent_at": 1000 + number,
        "type": "m.room.message",
        "content": '{"body":"hello","msgtype":"m.text"}',
    }
    return MessageEvidence(**values | changes)


def report(*messages: MessageEvidence, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "version": 1,
        "id": "ab" * 32,
        "reason": ReportReason.THREATENED,
        "danger_now": False,
        "about": "@leo:a.example",
        "text": "",
        "language": "en",
        "region": None,
        "evidence": messages,
        "attachments": (),
    }
    return Report(**values | changes)


def attachment(number: int = 1, digest: str = "cd" * 32, size: int = 10) -> Attachment:
    return Attachment(event_id=f"${number}", sha256=digest, size=size)


def test_a_report_is_read_as_it_was_sent() -> None:
    sent = report(evidence(1), evidence(2, commitment=THIRTY_TWO, opening=THIRTY_TWO), attachments=(attachment(2),))

    assert read_report(padded(sent)) == sent


def test_a_report_needs_no_message() -> None:
    sent = report(text="He asks me for pictures all the time.", about=None)

    assert read_report(encode(sent)) == sent


@pytest.mark.parametrize(
    "wrong",
    [
        report(evidence(1), evidence(1)),
        report(evidence(2), evidence(1)),
        report(evidence(1), attachments=(attachment(2),)),
        report(evidence(1), attachments=(attachment(1), attachment(1))),
        report(evidence(1, commitment=THIRTY_TWO)),
        report(evidence(1, opening=THIRTY_TWO)),
        report(evidence(1, commitment="!" * 44, opening=THIRTY_TWO)),
        report(evidence(1, commitment=THIRTY_TWO, opening=base64.b64encode(bytes(31)).decode())),
    ],
    ids=[
        "a message twice",
        "out of order",
        "attachment of another message",
        "attachment twice",
        "no opening",
        "no commitment",
        "not base64",
        "short opening",
    ],
)
def test_what_contradicts_itself_is_refused(wrong: Report) -> None:
    with pytest.raises(MalformedMessage):
        read_report(encode(wrong))


def test_a_time_that_no_calendar_holds_is_refused() -> None:
    """A page could not show it: one such message would close a whole case to those who review."""
    fields = msgspec.to_builtins(report(evidence(1)))
    fields["evidence"][0]["sent_at"] = 253_402_300_799_999
    read_report(msgspec.json.encode(fields))
    fields["evidence"][0]["sent_at"] += 1

    with pytest.raises(MalformedMessage):
        read_report(msgspec.json.encode(fields))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"id": "AB" * 32},
        {"reason": "because"},
        {"language": "english please"},
        {"region": "Belgium"},
        {"text": "x" * (limits.REPORT_TEXT + 1)},
        {"evidence": [{"kind": "dream"}]},
        {"attachments": [{"event_id": "$1", "sha256": "cd" * 32, "size": 0}]},
        {"attachments": [{"event_id": "$1", "sha256": "cd" * 32, "size": limits.ATTACHMENT_BYTES + 1}]},
        {"reporter": "@mia:a.example"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_form_is_refused(change: dict[str, Any]) -> None:
    """The last one: a field for who reports (mimi-protocol#88) does not exist, so nobody can fill it in falsely."""
    fields = msgspec.to_builtins(report(evidence(1)))

    with pytest.raises(MalformedMessage):
        read_report(msgspec.json.encode(fields | change))


@pytest.mark.parametrize("text", ["Yes.", "é" * limits.REPORT_TEXT])
def test_an_addition_looks_like_a_small_report(text: str) -> None:
    data = padded(Addition(id="ab" * 32, text=text))

    assert len(data) == LEAST_BYTES
    assert decode(data, Addition, limit=LEAST_BYTES, canonical=False).text == text


def test_bounds_are_kept() -> None:
    most = [evidence(n) for n in range(limits.REPORT_MESSAGES)]
    assert len(read_report(padded(report(*most))).evidence) == limits.REPORT_MESSAGES

    with pytest.raises(MalformedMessage):
        read_report(padded(report(*most, evidence(10_000))))
    with pytest.raises(OversizedMessage):
        read_report(bytes(limits.REPORT_BYTES + 1))


@pytest.mark.parametrize(
    "text", [b'"\\ud800"', b'"\xff\xfe"', b'"\xed\xa0\x80"'], ids=["escaped", "bytes", "surrogate"]
)
def test_halves_of_characters_are_refused(text: bytes) -> None:
    data = encode(report(text="HERE")).replace(b'"HERE"', text)

    with pytest.raises(MalformedMessage):
        read_report(data)


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b"[" * 5000, b"\x00" * 100])
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_report(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        read_report(data)


@given(st.integers(0, 150), st.text(max_size=400))
def test_an_onlooker_sees_one_of_few_sizes(messages: int, text: str) -> None:
    size = len(padded(report(*(evidence(n) for n in range(messages)), text=text)))

    assert size in {LEAST_BYTES << n for n in range(9)}


def test_a_few_words_and_a_few_messages_look_alike() -> None:
    few = padded(report(text="help"))
    more = padded(report(evidence(1), evidence(2), evidence(3), text="He threatens me. " * 40, danger_now=True))

    assert len(few) == len(more) == LEAST_BYTES
