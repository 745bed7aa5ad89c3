"""The conversation guard in the client, on a real homeserver: it tells its user in time, and nobody else anything."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import httpx
import pytest

from harness.matrix import Company, Network, Partner
from signals.conversation.reading import reader
from tutela.device.conversation import AgeGroup, Settings
from tutela.integrations.matrix.client import HandedOver
from tutela.integrations.matrix.errors import PausedBeforeSending
from tutela.integrations.matrix.timeline import ConversationAdvice, TextMessage
from tutela.language import words
from tutela.signals.conversation.decision import Level
from tutela.wire.franking import OPENING_FIELD

pytestmark = pytest.mark.slow

READER = reader()
APPROACH = ("how old are u", "dont tell your mum", "are you alone", "add me on snapchat", "send me a picture")
PUSHING = (*APPROACH, "ill show everyone")


async def guarded(company: Company, who: Any, **options: Any) -> Partner:
    return await company.enter(who, conversations=lambda: READER, **options)


async def say(speaker: Partner, room: str, lines: tuple[str, ...]) -> None:
    for line in lines:
        await speaker.client.send_text(room, line, confirmed=True)


def told(events: list[Any]) -> list[ConversationAdvice]:
    return [event for event in events if isinstance(event, ConversationAdvice)]


async def test_advice_comes_after_the_message_that_it_is_about(company: Company):
    mia, leo = await guarded(company, "mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await say(leo, room, APPROACH)
    events = await mia.sync()
    advice = told(events)
    assert advice[-1].advice.level >= Level.NUDGE
    assert {(one.room_id, one.sender) for one in advice} == {(room, leo.user_id)}
    texts = {event.event_id for event in events if isinstance(event, TextMessage)}
    assert set(advice[-1].advice.evidence) <= texts
    for one in advice:
        before = events[events.index(one) - 1]
        assert isinstance(before, TextMessage)
        assert before.event_id in one.advice.evidence
    assert told(await leo.sync()) == []


async def test_without_the_guard_nothing_changes(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await say(leo, room, APPROACH)
    for line in PUSHING:
        await leo.client.send_text(room, line)
    assert told(await mia.sync()) == []
    assert mia.client.conversations is None


async def test_a_guard_that_cannot_be_loaded_leaves_a_client_without_one(company: Company):
    def broken() -> Any:
        raise OSError("no such file")

    mia = await company.enter("mia", conversations=broken)
    assert mia.client.conversations is None


async def test_a_restart_goes_on_and_reads_nothing_twice(company: Company):
    mia, leo = await guarded(company, "mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await say(leo, room, APPROACH[:2])
    since = mia.client._device.store.state.since
    events = await mia.sync()
    assert all(one.advice.level < Level.WARNING for one in told(events))
    await mia.client.close()

    again = await guarded(company, mia.person, profile=mia.person.name, password=None)
    # What this device has seen already comes again, as it does when it was killed before it kept its place.
    again.client._device.store.update(since=since)
    events = await again.sync()
    assert [event.text for event in events if isinstance(event, TextMessage)] == list(APPROACH[:2])
    assert told(events) == []
    await say(leo, room, APPROACH[2:])
    later = told(await again.sync())
    assert "You were asked to keep something secret." in later[-1].advice.reasons


async def test_leaving_deletes_what_is_kept_of_the_room(company: Company):
    mia, leo = await guarded(company, "mia"), await company.enter("leo")
    room, other = await company.room(mia, leo), await company.room(mia, leo)
    for one in (room, other):
        await say(leo, one, APPROACH)
    await mia.sync()
    await mia.client.leave(room, forget=True)
    conversations = mia.client.conversations
    assert conversations is not None
    assert conversations.advice(room, leo.user_id) is None
    assert conversations.advice(other, leo.user_id) is not None
    assert len(mia.client._profile.names("conversation-with-")) == 1
    assert mia.network.paths("/forget")
    assert told(await mia.sync()) == []


async def test_leaving_on_another_device_deletes_too_and_being_put_out_does_not(company: Company):
    mia, leo = await guarded(company, "mia"), await company.enter("leo")
    room, other = await company.room(leo, mia), await company.room(leo, mia)
    for one in (room, other):
        await say(leo, one, APPROACH)
    await mia.sync()
    conversations = mia.client.conversations
    assert conversations is not None
    await mia.client._device.api.post(f"rooms/{room}/leave", {})
    await leo.client._device.api.post(f"rooms/{other}/kick", {"user_id": mia.user_id})
    await mia.sync()
    assert conversations.advice(room, leo.user_id) is None
    assert conversations.advice(other, leo.user_id) is not None


async def test_no_file_of_the_profile_holds_a_word_of_it(company: Company):
    mia, leo = await guarded(company, "mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await say(leo, room, APPROACH)
    await mia.sync()
    await mia.client.send_text(room, "leave me alone please", confirmed=True)
    await mia.client.close()
    files = [path for path in mia.profile.rglob("*") if path.is_file()]
    assert any("conversation-with-" in path.name for path in files)
    for path in files:
        data = path.read_bytes()
        for word in (b"snapchat", b"are you alone", b"your mum", b"leave me", b"secrecy", b"hide-from-parents"):
            assert word not in data, path


async def test_an_approach_is_seen_over_several_rooms(company: Company):
    mia, leo = await guarded(company, "mia"), await company.enter("leo")
    parts = (APPROACH[:2], APPROACH[2:4], APPROACH[4:])
    rooms = [await company.room(mia, leo) for _ in parts]
    for room, lines in zip(rooms, parts, strict=True):
        await say(leo, room, lines)
        events = await mia.sync()
    last = told(events)[-1]
    assert (last.room_id, last.sender) == (rooms[-1], leo.user_id)
    assert last.advice.level >= Level.NUDGE
    assert "You were asked to keep something secret." in last.advice.reasons
    assert len(last.advice.evidence) == 1


async def test_people_in_a_group_are_told_apart(company: Company):
    mia, leo, zoe = [await guarded(company, "mia"), await company.enter("leo"), await company.enter("zoe")]
    room = await company.room(mia, leo, zoe)
    for line in APPROACH:
        await leo.client.send_text(room, line)
        await zoe.client.send_text(room, "nice weather")
    await mia.sync()
    conversations = mia.client.conversations
    assert conversations is not None
    assert conversations.advice(room, leo.user_id) is not None
    assert conversations.advice(room, zoe.user_id) is None


async def test_an_edit_is_read_and_counts_once(company: Company):
    mia, leo = await guarded(company, "mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    first = await leo.client.send_text(room, "hello")
    new = {"msgtype": "m.text", "body": APPROACH[1]}
    relation = {"rel_type": "m.replace", "event_id": first}
    for _ in range(3):
        await leo.send_raw(room, {"msgtype": "m.text", "body": "*", "m.new_content": new, "m.relates_to": relation})
    await mia.sync()
    conversations = mia.client.conversations
    assert conversations is not None
    tally = conversations._conversation(room, leo.user_id).theirs.memory.other.signals["hide-from-parents"]
    assert (tally.times, tally.evidence) == (1, [first])


async def test_what_another_own_device_sends_is_the_users_own(company: Company):
    mia, leo = await guarded(company, "mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    key = bytes(range(32))
    identity = HandedOver(mia.client.export_identity(key), key)
    laptop = await company.enter(mia.person, profile="laptop", identity=identity)
    await laptop.sync()
    laptop.client.accept_reader(room, leo.user_id)
    await mia.sync()
    await laptop.client.send_text(room, "leave me alone")
    await mia.until(TextMessage, lambda event: event.own)
    conversations = mia.client.conversations
    assert conversations is not None
    assert "refuses" in conversations._conversation(room, leo.user_id).theirs.memory.own.signals


async def test_a_pause_sends_nothing_and_a_second_thought_does(company: Company):
    mia, leo = await company.enter("mia"), await guarded(company, "leo")
    room = await company.room(leo, mia)
    paused = None
    for line in PUSHING:
        before = len(leo.network.requests)
        try:
            await leo.client.send_text(room, line)
        except PausedBeforeSending as error:
            paused = error.pause
            assert len(leo.network.requests) == before
            await leo.client.send_text(room, line, confirmed=True)
    assert paused is not None
    texts = [event.text for event in await mia.sync() if isinstance(event, TextMessage)]
    assert texts == list(PUSHING)


async def test_the_same_messages_are_paused_alike_whoever_reads_and_answers(company: Company):
    """Else the pause would tell its sender that somebody is a child."""

    async def pauses(name: str, ages: tuple[AgeGroup, AgeGroup], answers: tuple[str, ...], people: int = 1) -> bytes:
        leo, mia = await guarded(company, f"leo-{name}"), await guarded(company, f"mia-{name}")
        others = [mia, *[await company.enter(f"other-{name}-{i}") for i in range(people - 1)]]
        for one, group in zip((leo, mia), ages, strict=True):
            assert one.client.conversations is not None
            one.client.conversations.change(Settings(group))
        room = await company.room(leo, *others)
        found = []
        for number, line in enumerate(PUSHING):
            try:
                await leo.client.send_text(room, line)
                found.append(None)
            except PausedBeforeSending as error:
                found.append(error.pause.facts(words("en")))
                await leo.client.send_text(room, line, confirmed=True)
            if number < len(answers):
                await mia.client.send_text(room, answers[number])
                await leo.sync()
        return json.dumps(found).encode()

    adult = await pauses("a", (AgeGroup.ADULT, AgeGroup.ADULT), ())
    assert b"title" in adult
    assert adult == await pauses("b", (AgeGroup.ADULT, AgeGroup.CHILD), ("im 12", "leave me alone", "im 12", "ok mum"))
    assert adult == await pauses("c", (AgeGroup.TEEN, AgeGroup.TEEN), ("im 34", "hello"), people=3)


async def test_ignoring_changes_one_list_and_can_be_undone(company: Company):
    mia, leo, zoe = await guarded(company, "mia"), await company.enter("leo"), await company.enter("zoe")
    room = await company.room(mia, leo)
    await mia.client.ignore(zoe.user_id)
    await mia.client.ignore(leo.user_id)
    assert await mia.client.ignored() == {leo.user_id, zoe.user_id}
    await leo.client.send_text(room, "unread")
    assert not [event for event in await mia.sync(seconds=1) if isinstance(event, TextMessage)]
    await mia.client.ignore(leo.user_id, ignored=False)
    assert await mia.client.ignored() == {zoe.user_id}


class Wire(Network):
    """Keeps every request whole."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str, bytes, bytes]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        self.sent.append(
            (request.method, str(request.url), body, b"\n".join(b": ".join(h) for h in request.headers.raw))
        )
        return await super().handle_async_request(request)


def shape(value: Any) -> Any:
    """What a payload is made of, without what is random: names and kinds, but no keys, ids and ciphertexts."""
    if isinstance(value, dict):
        named = {
            ("*" if re.search(r"[@:$!]|^[A-Z]{8,}$|^[\w+/]{43}$", key) else key): shape(one)
            for key, one in value.items()
        }
        return dict(sorted(named.items()))
    return sorted({json.dumps(shape(one)) for one in value}) if isinstance(value, list) else type(value).__name__


def route(method: str, url: str) -> str:
    """A request without the names in it."""
    address = httpx.URL(url)
    path = re.sub(r"/(?=[^/]*(?:[!@$%]|[0-9a-f]{8}-))[^/]+", "/*", address.raw_path.decode().partition("?")[0])
    return f"{method} {path}?{'&'.join(sorted(set(address.params)))}"


async def test_the_wire_tells_nothing_of_the_guard(company: Company):
    """One scripted conversation, with the guard and without: no request more, none of another shape, no word of it."""

    async def play(name: str, **options: Any) -> tuple[list[Wire], int]:
        wires = [Wire(), Wire()]
        mia = await company.enter(f"mia-{name}", network=wires[0], **options)
        leo = await company.enter(f"leo-{name}", network=wires[1], **options)
        for one, group in ((mia, AgeGroup.CHILD), (leo, AgeGroup.ADULT)):
            if one.client.conversations:
                one.client.conversations.change(Settings(group, jurisdiction="FR"))
        room = await company.room(leo, mia)
        advised = 0
        for line in PUSHING:
            await leo.client.send_text(room, line, confirmed=True)
            advised += len(told(await mia.sync()))
            await mia.client.send_text(room, "leave me alone")
            await leo.sync()
        return wires, advised

    without, none = await play("plain")
    with_guard, some = await play("guard", conversations=lambda: READER)
    assert none == 0
    assert some > 1
    for plain, other in zip(without, with_guard, strict=True):
        assert [route(*one[:2]) for one in plain.sent] == [route(*one[:2]) for one in other.sent]
        for before, after in zip(plain.sent, other.sent, strict=True):
            assert bool(before[2]) == bool(after[2])
            if before[2]:
                assert shape(json.loads(before[2])) == shape(json.loads(after[2])), route(*after[:2])
    said = re.compile(
        rb"advice|nudge|warning|\btip\b|conversation-|secrecy|age.?group|\bminor\b|\bchild\b|\bteen\b|\badult\b|"
        rb"jurisdiction|helpline|pause|" + b"|".join(line.encode() for line in PUSHING),
        re.IGNORECASE,
    )
    sent = [part for wire in with_guard for one in wire.sent for part in (one[1].encode(), one[2], one[3])]
    assert [part for part in sent if said.search(part)] == []
    assert Counter(type(part) for part in sent) == {bytes: len(sent)}
    assert len(sent) > 60


async def test_what_another_client_receives_holds_no_age_and_no_flag(company: Company):
    """Every decrypted payload that Leo's client gets while Mia's guard speaks to a child."""
    mia, leo = await guarded(company, "mia"), await company.enter("leo")
    conversations = mia.client.conversations
    assert conversations is not None
    conversations.change(Settings(AgeGroup.CHILD))
    opened: list[Any] = []
    answers: list[Any] = []
    machine = leo.client._device.machine
    original = machine.decrypt

    def noted(room_id: str, raw: Any) -> Any:
        found = original(room_id, raw)
        opened.append(found.content)
        return found

    machine.decrypt = noted  # type: ignore[method-assign]
    leo.network.meddle = lambda path, answer: answers.append(answer)
    room = await company.room(leo, mia)
    for line in APPROACH:
        await leo.client.send_text(room, line)
        assert isinstance(await mia.sync(), list)
        await mia.client.send_text(room, "hello")
        await leo.sync()
    assert conversations.advice(room, leo.user_id) is not None
    theirs = [content for content in opened if content.get("body") == "hello"]
    assert len(theirs) == len(APPROACH)
    assert {key for content in theirs for key in content} == {"msgtype", "body", OPENING_FIELD}
    whole = json.dumps([opened, answers]).lower()
    for word in ("age_group", "agegroup", "minor", '"child"', '"teen"', "advice", "nudge", "birth"):
        assert word not in whole
