"""Guarded clients on a stamping homeserver: what each message can be reported with, and every false commitment."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.matrix import Company, Partner
from harness.pictures import ATTESTED, ORDINARY
from harness.stock_client import StockClient, open_stock_client
from harness.synapse import stamp_key
from tutela.device.verdict import Outcome
from tutela.integrations.matrix import receiving
from tutela.integrations.matrix.client import Sent
from tutela.integrations.matrix.errors import MalformedJson, MalformedMedia
from tutela.integrations.matrix.franking import Franking, frank
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.synapse_module import read_key_file
from tutela.integrations.matrix.timeline import Message, PictureMessage, Problem, TextMessage, UnreadableMessage
from tutela.wire.franking import COMMITMENT_FIELD, OPENING_FIELD, STAMP_FIELD, check_opening, check_stamp
from tutela.wire.manifest import Action
from tutela.wire.report import MessageEvidence, Report, ReportReason, padded, read_report

pytestmark = pytest.mark.slow

TEXT = {"msgtype": "m.text", "body": "hello"}


def proven(homeserver: Homeserver, evidence: MessageEvidence | None) -> MessageEvidence:
    """What the provider does: the opening opens, and the stamp is by the homeserver's key and for this very event."""
    assert evidence is not None
    opened = evidence.opened()
    assert opened is not None
    commitment, opening = opened
    check_opening(commitment, evidence.message, opening)
    (stamp,) = evidence.stamps
    check_stamp(read_key_file(stamp_key(homeserver.folder)), stamp, evidence.stamped(commitment))
    assert (stamp.server, stamp.time, stamp.received) == (homeserver.server_name, evidence.sent_at, False)
    return evidence


async def own(partner: Partner, message: Message) -> MessageEvidence:
    """Wait until a message of one's own is back from the homeserver."""
    async with asyncio.timeout(30):
        while (evidence := partner.client.evidence(message)) is None:
            await partner.sync(seconds=1.0)
    return evidence


async def test_text_and_pictures_arrive_with_their_proof(company: Company, homeserver: Homeserver):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    event_id = await leo.client.send_text(room, "hello")
    text = await mia.until(TextMessage)
    evidence = proven(homeserver, mia.client.evidence(text))
    assert text.franking is Franking.COMMITTED
    assert (evidence.event_id, evidence.room_id, evidence.sender) == (event_id, room, leo.user_id)
    assert (evidence.type, json.loads(evidence.content)) == ("m.room.message", TEXT)

    sent = await leo.client.send_picture(room, ORDINARY, "coffee.jpg")
    assert isinstance(sent, Sent)
    picture = await mia.until(PictureMessage)
    evidence = proven(homeserver, mia.client.evidence(picture))
    assert json.loads(evidence.content)["file"]["hashes"]["sha256"]
    assert await mia.client.attachment(evidence) == ORDINARY
    assert "evidence" not in repr(picture)


async def test_a_stopped_picture_can_be_reported_whole(company: Company, homeserver: Homeserver):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    mia.guard.incoming = (Outcome.STOP, Action.STOP)
    await leo.client.send_picture(room, ATTESTED, "cat.jpg")
    picture = await mia.until(PictureMessage)
    assert picture.data is None
    assert await mia.client.attachment(proven(homeserver, picture.evidence)) == ATTESTED


async def test_what_cannot_be_shown_can_still_be_reported(company: Company, homeserver: Homeserver):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await leo.send_raw(room, {"msgtype": "m.video", "body": "film.mp4"})
    unreadable = await mia.until(UnreadableMessage)
    assert unreadable.problem is Problem.UNSUPPORTED
    evidence = proven(homeserver, unreadable.evidence)
    with pytest.raises(MalformedMedia):
        await mia.client.attachment(evidence)


async def test_own_messages_have_their_proof_once_they_are_back(
    company: Company, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "what do you want?")
    (message,) = [event for event in mia.drain() if isinstance(event, TextMessage)]
    assert (message.own, message.franking, mia.client.evidence(message)) == (True, Franking.COMMITTED, None)
    evidence = proven(homeserver, await own(mia, message))
    assert (evidence.event_id, evidence.sender) == (message.event_id, mia.user_id)
    assert not [event for event in mia.seen if event.event_id == message.event_id and event is not message]
    monkeypatch.setattr(receiving, "_ECHOES", 1)
    await mia.client.send_text(room, "tell me")
    (later,) = [event for event in mia.drain() if isinstance(event, TextMessage)]
    proven(homeserver, await own(mia, later))
    assert mia.client.evidence(message) is None


async def test_a_homeserver_cannot_pass_off_anothers_message_as_ones_own(company: Company):
    """It could mark leo's message as an echo and name mia as its sender; then it is no evidence of anything."""
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "first")
    (message,) = [event for event in mia.drain() if isinstance(event, TextMessage)]
    (transaction,) = mia.client._receiver._sent
    event_id = await leo.client.send_text(room, "a confession")

    def meddle(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        for raw in answer.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", []):
            if raw["event_id"] == event_id:
                raw["sender"] = mia.user_id
                raw.setdefault("unsigned", {})["transaction_id"] = transaction
        return answer

    mia.network.meddle = meddle
    await own(mia, message)
    await leo.client.send_text(room, "last")
    await mia.until(TextMessage, lambda event: event.text == "last")
    assert set(mia.client._receiver._echoes) == {message.event_id}


async def test_without_a_stamping_homeserver_a_message_keeps_its_opening(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)

    def meddle(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        for raw in answer.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", []):
            raw.get("unsigned", {}).pop(STAMP_FIELD, None)
        return answer

    mia.network.meddle = meddle
    await leo.client.send_text(room, "hello")
    message = await mia.until(TextMessage)
    assert message.franking is Franking.COMMITTED
    assert message.evidence is not None
    assert (message.evidence.stamps, message.evidence.opened() is None) == ((), False)


async def test_false_commitments_are_shown_and_are_no_proof(company: Company, homeserver: Homeserver):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    inside, commitment = frank(room, leo.user_id, "m.room.message", TEXT, b"o" * 32)
    by_mia, commitment_of_mia = frank(room, mia.user_id, "m.room.message", TEXT, b"o" * 32)
    elsewhere, commitment_elsewhere = frank("!elsewhere:x", leo.user_id, "m.room.message", TEXT, b"o" * 32)
    cases: list[tuple[dict[str, Any], dict[str, Any], Franking]] = [
        (inside, {COMMITMENT_FIELD: commitment}, Franking.COMMITTED),
        (TEXT, {}, Franking.ABSENT),
        ({**TEXT, STAMP_FIELD: {"mac": "forged"}}, {}, Franking.ABSENT),
        (inside, {}, Franking.MALFORMED),
        (TEXT, {COMMITMENT_FIELD: commitment}, Franking.MALFORMED),
        (inside, {COMMITMENT_FIELD: "x" * 10_000}, Franking.MALFORMED),
        (inside, {COMMITMENT_FIELD: [commitment]}, Franking.MALFORMED),
        ({**inside, "size": 1.5}, {COMMITMENT_FIELD: commitment}, Franking.MALFORMED),
        ({**inside, "body": "other"}, {COMMITMENT_FIELD: commitment}, Franking.WRONG),
        (inside, {COMMITMENT_FIELD: base64.b64encode(b"o" * 32).decode()}, Franking.WRONG),
        (by_mia, {COMMITMENT_FIELD: commitment_of_mia}, Franking.WRONG),
        (elsewhere, {COMMITMENT_FIELD: commitment_elsewhere}, Franking.WRONG),
    ]
    for content, beside, expected in cases:
        await leo.send_unfranked(room, content, **beside)
        message = await mia.until(TextMessage)
        assert message.franking is expected
        assert message.evidence is not None
        if expected is Franking.COMMITTED:
            proven(homeserver, message.evidence)
        else:
            assert (message.evidence.opened(), message.evidence.stamps) == (None, ())
        assert OPENING_FIELD not in message.evidence.content


async def test_text_is_sent_as_it_can_be_committed_to(company: Company, homeserver: Homeserver):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await leo.client.send_text(room, "before \ud800 after")
    assert (await mia.until(TextMessage)).text == "before ? after"
    await leo.client.send_picture(room, ORDINARY, "\udce9t\udce9.jpg")
    picture = await mia.until(PictureMessage)
    assert picture.filename == "?t?.jpg"
    proven(homeserver, picture.evidence)
    with pytest.raises(MalformedJson):
        await leo.send_raw(room, {"msgtype": "m.text", "body": "x", "size": 1.5})


async def test_a_report_is_built_of_chosen_messages(company: Company, homeserver: Homeserver):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    for text in ("how old are you?", "send me a picture", "or I tell your mother"):
        await leo.client.send_text(room, text)
    last = await mia.until(TextMessage, lambda event: event.text == "or I tell your mother")
    chosen = mia.client.evidence(last)
    assert chosen is not None
    report = Report(
        version=1,
        id="0" * 64,
        reason=ReportReason.THREATENED,
        danger_now=False,
        about=leo.user_id,
        text="",
        language="en",
        region=None,
        evidence=(chosen,),
        attachments=(),
    )
    sent = padded(report)
    assert read_report(sent) == report
    proven(homeserver, read_report(sent).evidence[0])


# With a client that knows nothing of this


@pytest.fixture
async def stock(tmp_path: Path) -> AsyncIterator[StockClient]:
    async with open_stock_client(tmp_path / "stock-client.log") as client:
        yield client


async def test_a_stock_client_reads_what_is_franked_and_sends_what_is_not(
    company: Company, homeserver: Homeserver, stock: StockClient
):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    await stock.login(homeserver, await company.person("zoe"))
    room = await mia.client.create_encrypted_room(invite=[leo.user_id, stock.user_id])
    await leo.client.join(room)
    await stock.join(room, mia.user_id, stock.user_id)
    for partner in (mia, leo):
        await partner.sync()

    text = await stock.message(await leo.client.send_text(room, "hello"))
    assert (text["content"]["body"], text["failure"], text["shield"]["shieldColour"]) == ("hello", None, 0)
    sent = await leo.client.send_picture(room, ORDINARY, "coffee.jpg")
    assert isinstance(sent, Sent)
    assert base64.b64decode((await stock.message(sent.event_id))["attachment"]) == ORDINARY

    await stock.call("send_text", room_id=room, text="and hello to you")
    answer = await mia.until(TextMessage, lambda event: event.sender == stock.user_id)
    picture_id = await stock.send_picture(room, ATTESTED, "cat.jpg", "image/jpeg")
    picture = await mia.until(PictureMessage, lambda event: event.event_id == picture_id)
    for message in (answer, picture):
        assert message.franking is Franking.ABSENT
        assert message.evidence is not None
        assert (message.evidence.opened(), message.evidence.stamps) == (None, ())
    assert answer.evidence is not None
    assert json.loads(answer.evidence.content)["body"] == "and hello to you"
    assert picture.evidence is not None
    assert await mia.client.attachment(picture.evidence) == ATTESTED
    theirs = [event for event in mia.seen if isinstance(event, Message) and event.sender == leo.user_id]
    assert {event.franking for event in theirs} == {Franking.COMMITTED}
