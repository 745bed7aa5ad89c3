"""Keeping up, with a homeserver that would like the client to stop, and a disk that is no help."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.lone_device import ENCRYPTION, EVE, LEO, MIA, LoneDevice, lone_device, member, sync
from tutela.device.profile import Profile
from tutela.integrations.matrix import replays, syncing
from tutela.integrations.matrix.api import MatrixApi
from tutela.integrations.matrix.errors import AccountLocked, RecordUnavailable, Refused, SignedOut
from tutela.integrations.matrix.signing_in import sign_in
from tutela.integrations.matrix.syncing import Syncing
from tutela.integrations.matrix.timeline import (
    Notice,
    NoticeKind,
    Problem,
    TextMessage,
    TimelineEvent,
    UnreadableMessage,
)
from tutela.language import words

ROOM = "!room:example.org"


@pytest.fixture
async def mia(tmp_path: Path) -> AsyncIterator[LoneDevice]:
    async with lone_device(tmp_path) as lone:
        yield lone


def keeping_up(lone: LoneDevice) -> tuple[Syncing, asyncio.Queue[TimelineEvent | None]]:
    events: asyncio.Queue[TimelineEvent | None] = asyncio.Queue()
    return Syncing(lone.device, lone.receiver, events), events


def own_message(lone: LoneDevice) -> Callable[[str, str], dict[str, Any]]:
    """One message of this device, to be delivered under any id and any name."""
    olm = lone.machine._olm
    olm.create_outbound_group_session(ROOM)
    olm.outbound_group_sessions[ROOM].mark_as_shared()
    content = lone.machine.encrypt(ROOM, "m.room.message", {"msgtype": "m.text", "body": "hello"})
    return lambda event_id, sender: sync(
        ROOM, {"type": "m.room.encrypted", "event_id": event_id, "sender": sender, "content": content}
    )


@pytest.mark.parametrize("place", [None, 7, "", "\ud800", "a\nb", "x" * 5000, ["s2"]])
async def test_a_place_that_cannot_be_gone_back_to_is_not_kept(mia: LoneDevice, place: object):
    once, events = keeping_up(mia)
    mia.answers["/sync"] = sync(ROOM, member(MIA), ENCRYPTION) | {"next_batch": "s1"}
    await once.once(seconds=0)
    asked: list[str] = []
    mia.answers["/messages"] = lambda request: asked.append(request.url.path) or {}
    body = sync(ROOM, limited=True, prev_batch=place) | {"next_batch": place}
    mia.answers["/sync"] = httpx.Response(200, content=json.dumps(body).encode())
    with pytest.raises(Refused, match="go on"):
        await once.once(seconds=0)
    assert mia.device.store.state.since == "s1"
    assert asked == []
    shown = [events.get_nowait() for _ in range(events.qsize())]
    assert [event.kind for event in shown if isinstance(event, Notice)] == [NoticeKind.MESSAGES_SKIPPED]


@pytest.mark.parametrize("count", [-(10**9), 10**400, True])
async def test_a_number_of_keys_that_cannot_be_makes_no_endless_work(mia: LoneDevice, count: int):
    mia.machine._olm.account.shared = True
    uploads: list[Any] = []
    mia.answers["keys/upload"] = lambda request: (
        uploads.append(request.content) or {"one_time_key_counts": {"signed_curve25519": count}}
    )
    for _ in range(2):
        await mia.take({"device_one_time_keys_count": {"signed_curve25519": count}})
    assert all(content.count(b'"signed_curve25519:') <= 2 * 50 for content in uploads)


async def test_it_goes_on_after_what_nobody_has_foreseen_and_says_so(
    mia: LoneDevice, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    waits: list[float] = []
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(syncing.asyncio, "sleep", sleep)
    errors: list[BaseException] = [OSError(28, "no space"), sqlite3.OperationalError("locked"), OverflowError("x")]

    def answer(request: httpx.Request) -> Any:
        if errors:
            raise errors.pop(0)
        if request.url.params.get("since") == "s2":
            done.set()
            return httpx.Response(401, json={"errcode": "M_UNKNOWN_TOKEN"})
        return {"next_batch": "s2"}

    mia.answers["/sync"] = answer
    once, _ = keeping_up(mia)
    with pytest.raises(SignedOut):
        await once.run()
    assert done.is_set()
    assert waits == [0.2, 0.4, 0.8]
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 3
    assert all(record.exc_info for record in said)
    caplog.clear()


async def test_a_locked_account_is_told_once_and_asked_about_rarely(mia: LoneDevice, monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(syncing.asyncio, "sleep", sleep)
    locked = httpx.Response(401, json={"errcode": "M_USER_LOCKED", "error": "locked", "soft_logout": True})
    over = httpx.Response(401, json={"errcode": "M_UNKNOWN_TOKEN"})
    answers: list[Any] = [{"next_batch": "s2"}, locked, locked, locked, {"next_batch": "s3"}, locked, over]
    mia.answers["/sync"] = lambda _: answers.pop(0)
    once, events = keeping_up(mia)

    with pytest.raises(SignedOut):
        await once.run()

    told = [events.get_nowait() for _ in range(events.qsize())]
    assert all(isinstance(event, Notice) and event.room_id == "" and event.sender == MIA for event in told)
    locked_, open_ = NoticeKind.ACCOUNT_LOCKED, NoticeKind.ACCOUNT_UNLOCKED
    assert [event.kind for event in told if isinstance(event, Notice)] == [locked_, open_, locked_]
    assert waits == [600.0] * 4, "no loop: one question every ten minutes"
    assert mia.device.store.state.since == "s3"


async def test_a_locked_session_is_kept(mia: LoneDevice):
    mia.answers["/sync"] = httpx.Response(401, json={"errcode": "M_USER_LOCKED", "soft_logout": True})
    once, _ = keeping_up(mia)
    with pytest.raises(AccountLocked, match="is locked") as raised:
        await once.once(seconds=0)
    assert "appeal" in (raised.value.hint or "")


async def test_a_held_record_shows_nothing_and_loses_nothing(mia: LoneDevice, tmp_path: Path):
    mia.machine._replays._database.execute("PRAGMA busy_timeout = 10")
    body = own_message(mia)("$1", MIA)
    with closing(sqlite3.connect(tmp_path / replays.FILE)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordUnavailable):
            await mia.take(body)
        other.rollback()
    [message] = await mia.take(body)
    assert isinstance(message, TextMessage)


async def test_a_copy_under_a_false_name_does_not_keep_the_true_message_out(mia: LoneDevice):
    delivered = own_message(mia)
    for number, sender in enumerate((EVE, LEO, EVE)):
        [copy] = await mia.take(delivered(f"$copy{number}", sender))
        assert isinstance(copy, TextMessage | UnreadableMessage)
        assert copy.sender == sender
    [true] = await mia.take(delivered("$true", MIA))
    assert isinstance(true, TextMessage)
    [again] = await mia.take(delivered("$again", MIA))
    assert isinstance(again, UnreadableMessage)
    assert again.problem is Problem.UNDECRYPTABLE


@pytest.mark.parametrize("how", ["removed", "replaced", "kept"])
async def test_a_record_that_is_gone_is_told_once(tmp_path: Path, how: str):
    def answer(request: httpx.Request) -> httpx.Response:
        names = {"user_id": MIA, "device_id": "PHONE", "access_token": "t"}
        return httpx.Response(200, json=names)

    async def start() -> list[TimelineEvent]:
        api = MatrixApi("https://matrix.example", transport=httpx.MockTransport(answer))
        with Profile(tmp_path, b"k" * 32) as profile:
            device = await sign_in(api, profile, user=MIA, password="x", device_name="x")
            receiver = syncing.Receiver(device, None, media_limit=1)  # type: ignore[arg-type]
            found: list[TimelineEvent] = []
            for body in ({}, sync(ROOM, member(MIA), ENCRYPTION), sync(ROOM)):
                found += [event async for event in receiver.take(body, None)]
            device.machine.close()
        await api.close()
        return found

    assert await start() == []
    if how != "kept":
        (tmp_path / replays.FILE).unlink()
    if how == "replaced":
        replays.Replays(tmp_path, b"k" * 32).close()
    told = await start()
    if how == "kept":
        assert told == []
        return
    [notice] = told
    assert isinstance(notice, Notice)
    assert (notice.kind, notice.room_id) == (NoticeKind.RECORD_LOST, ROOM)
    for language in ("en", "fr"):
        assert notice.text(words(language))
    assert await start() == []
