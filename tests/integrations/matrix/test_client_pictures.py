"""Pictures between guarded clients on a real Synapse: checked before they leave, and before they are shown."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from harness.matrix import Company, digest
from harness.pictures import ATTESTED, ORDINARY
from tutela.device.verdict import Direction, Outcome
from tutela.integrations.matrix import media
from tutela.integrations.matrix.client import Held, Sent
from tutela.integrations.matrix.errors import OversizedMedia, RoomNotEncrypted, UnknownRoom
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.timeline import PictureMessage, Problem, TextMessage, UnreadableMessage
from tutela.language import words
from tutela.signals.image import PictureError
from tutela.wire.manifest import Action

pytestmark = pytest.mark.slow


def _stored(homeserver: Homeserver) -> int:
    with closing(sqlite3.connect(f"file:{homeserver.database}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM local_media_repository").fetchone()[0])


async def test_text_and_pictures_both_ways(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "hello")
    sent = await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    assert isinstance(sent, Sent)
    text, picture = await leo.sync()
    assert isinstance(text, TextMessage)
    assert (text.text, text.sender, text.own, text.trust) == ("hello", mia.user_id, False, SenderTrust.VERIFIED)
    assert isinstance(picture, PictureMessage)
    assert (picture.event_id, picture.data, picture.filename, picture.shown) == (
        sent.event_id,
        ORDINARY,
        "coffee.jpg",
        True,
    )
    assert leo.guard.asked == [(Direction.INCOMING, digest(ORDINARY))]
    await leo.client.send_picture(room, ATTESTED, "cat.jpg")
    answer = await mia.until(PictureMessage, lambda event: not event.own)
    assert answer.data == ATTESTED
    assert text.caution(words("en")) == ""


async def test_own_messages_are_shown_once_and_at_once(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "hello")
    await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    [text, picture] = mia.drain()
    assert isinstance(text, TextMessage)
    assert isinstance(picture, PictureMessage)
    assert (text.own, picture.own, picture.data) == (True, True, ORDINARY)
    assert await mia.sync() == []
    assert mia.guard.asked == [(Direction.OUTGOING, digest(ORDINARY))]


async def test_a_stopped_picture_never_leaves_the_device(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    mia.guard.outgoing = (Outcome.STOP, Action.STOP)
    stored, before = _stored(company.homeserver), len(mia.network.requests)
    held = await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    assert isinstance(held, Held)
    assert held.verdict.outcome is Outcome.STOP
    assert isinstance(await mia.client.send_picture(room, ORDINARY, "coffee.jpg", confirmed=held.verdict), Held)
    assert len(mia.network.requests) == before
    assert _stored(company.homeserver) == stored
    assert await leo.sync() == []
    assert mia.drain() == []


@pytest.mark.parametrize("outcome", [Outcome.WARN, Outcome.UNCHECKED])
async def test_a_warning_is_confirmed_or_nothing_leaves(company: Company, outcome: Outcome):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    mia.guard.outgoing = (outcome, Action.WARN)
    before = len(mia.network.requests)
    held = await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    assert isinstance(held, Held)
    assert len(mia.network.requests) == before
    # A yes to another question is no yes to this one.
    other = Outcome.UNCHECKED if outcome is Outcome.WARN else Outcome.WARN
    mia.guard.outgoing = (other, Action.WARN)
    changed = await mia.client.send_picture(room, ORDINARY, "coffee.jpg", confirmed=held.verdict)
    assert isinstance(changed, Held)
    assert changed.verdict.outcome is other
    assert len(mia.network.requests) == before
    mia.guard.outgoing = (outcome, Action.WARN)
    sent = await mia.client.send_picture(room, ORDINARY, "coffee.jpg", confirmed=held.verdict)
    assert isinstance(sent, Sent)
    assert sent.verdict.outcome is outcome
    assert isinstance((await leo.sync())[0], PictureMessage)


async def test_unchecked_with_a_policy_that_allows_is_sent(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    mia.guard.outgoing = (Outcome.UNCHECKED, Action.ALLOW)
    assert isinstance(await mia.client.send_picture(room, ORDINARY, "coffee.jpg"), Sent)


async def test_what_trails_behind_a_picture_is_neither_checked_nor_sent(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    motion = ORDINARY + b"a video, or another picture"
    mia.client.choose_picture(motion)
    await mia.client.send_picture(room, motion, "motion.jpg")
    assert mia.guard.chosen == [digest(ORDINARY)]
    assert mia.guard.asked == [(Direction.OUTGOING, digest(ORDINARY))]
    [picture] = await leo.sync()
    assert isinstance(picture, PictureMessage)
    assert picture.data == ORDINARY


async def test_what_is_no_picture_or_too_large_is_refused_before_anything_leaves(company: Company):
    mia, leo = await company.enter("mia", media_limit=len(ORDINARY) - 1), await company.enter("leo")
    room = await company.room(mia, leo)
    before = len(mia.network.requests)
    with pytest.raises(PictureError):
        await mia.client.send_picture(room, b"%PDF-1.7", "a.pdf")
    with pytest.raises(PictureError):
        await mia.client.send_picture(room, ORDINARY[:-1000], "cut.jpg")
    with pytest.raises(OversizedMedia):
        await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    assert len(mia.network.requests) == before
    assert mia.guard.asked == []


@pytest.mark.parametrize(
    ("action", "held", "shown"),
    [(Action.ALLOW, False, True), (Action.WARN, False, False), (Action.STOP, True, False)],
)
async def test_a_received_picture_is_handed_over_as_the_verdict_says(
    company: Company, action: Action, held: bool, shown: bool
):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    leo.guard.incoming = (Outcome(action.value), action)
    await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    [picture] = await leo.sync()
    assert isinstance(picture, PictureMessage)
    assert (picture.data is None, picture.shown, picture.verdict.action) == (held, shown, action)


async def test_only_encrypted_rooms_are_written_to(company: Company):
    mia = await company.enter("mia")
    with pytest.raises(UnknownRoom):
        await mia.client.send_text("!nowhere:tutela.localhost", "hello")
    answer = await mia.client._device.api.post("createRoom", {"preset": "private_chat"})
    await mia.sync()
    with pytest.raises(RoomNotEncrypted):
        await mia.client.send_text(answer["room_id"], "hello")
    with pytest.raises(RoomNotEncrypted):
        await mia.client.send_picture(answer["room_id"], ORDINARY, "coffee.jpg")
    assert mia.guard.asked == []


def _picture(**changes: Any) -> dict[str, Any]:
    _, file = media.encrypt(b"x")
    url = "mxc://tutela.localhost/AAAAAAAAAAAAAAAAAAAAAAAA"
    return {"msgtype": "m.image", "body": "x.jpg", "file": {**file, "url": url}} | changes


UNREADABLE = [
    ({"msgtype": "m.image", "body": "x.jpg", "url": "mxc://tutela.localhost/plain"}, Problem.MALFORMED),
    (_picture(file={"url": "mxc://tutela.localhost/x", "v": "v2"}), Problem.MALFORMED),
    (_picture(file="x"), Problem.MALFORMED),
    (_picture(), Problem.UNAVAILABLE),
    ({"msgtype": "m.text", "body": 7}, Problem.MALFORMED),
    ({"msgtype": ["m.text"], "body": "x"}, Problem.MALFORMED),
    ({}, Problem.MALFORMED),
    ({"msgtype": "m.file", "body": "x.jpg"}, Problem.UNSUPPORTED),
    ({"msgtype": "m.video", "body": "x.mp4"}, Problem.UNSUPPORTED),
    ({"msgtype": "org.example.new", "body": "x"}, Problem.UNSUPPORTED),
]


async def test_what_cannot_be_read_is_shown_as_such_and_never_a_crash(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    for content, _ in UNREADABLE:
        await mia.send_raw(room, content)
    await mia.send_raw(room, {"body": "x", "url": "mxc://tutela.localhost/x"}, kind="m.sticker")
    await mia.send_raw(room, {"m.relates_to": {}}, kind="m.reaction")
    await mia.client.send_text(room, "still here")
    *unreadable, last = await leo.sync()
    problems = [event.problem for event in unreadable if isinstance(event, UnreadableMessage)]
    assert problems == [problem for _, problem in UNREADABLE] + [Problem.UNSUPPORTED]
    assert isinstance(last, TextMessage)
    assert leo.guard.asked == []
    assert all(event.text(words("en")) for event in unreadable if isinstance(event, UnreadableMessage))


async def test_an_altered_or_oversized_picture_is_not_shown(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo", media_limit=len(ORDINARY) - 1)
    room = await company.room(mia, leo)
    await mia.client.send_picture(room, ORDINARY, "large.jpg")
    ciphertext, file = media.encrypt(b"small")
    url = await mia.client._device.api.upload(ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]))
    await mia.send_raw(room, {"msgtype": "m.image", "body": "x.jpg", "file": {**file, "url": url}})
    problems = [event.problem for event in await leo.sync() if isinstance(event, UnreadableMessage)]
    assert problems == [Problem.OVERSIZED, Problem.ALTERED]
    assert leo.guard.asked == []


async def test_what_was_not_encrypted_is_not_shown(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    content = {"msgtype": "m.text", "body": "injected by whoever runs the homeserver"}
    await mia.client._device.api.put(f"rooms/{room}/send/m.room.message/plain", content)
    [event] = await leo.sync()
    assert isinstance(event, UnreadableMessage)
    assert event.problem is Problem.NOT_ENCRYPTED
    assert "injected" not in repr(event)
