"""Between the timeline and the conversation guard: which words are read, under which name, and that nothing fails."""

from __future__ import annotations

import logging
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.device.conversation import Pause
from tutela.integrations.matrix.conversing import Conversing, text_of
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.rooms import Room
from tutela.signals.conversation.message import Message

MIA, LEO, ROOM = "@mia:x", "@leo:x", "!r:x"
VERIFIED = SenderTrust.VERIFIED


class Listening:
    """A guard that notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Message]] = []
        self.own: list[tuple[str, str, Message]] = []
        self.forgotten: list[str] = []
        self.direct: list[bool] = []

    def received(self, room: str, person: str, message: Message, *, direct: bool) -> None:
        self.heard.append((room, person, message))
        self.direct.append(direct)

    def sent(self, room: str, person: str, message: Message) -> None:
        self.own.append((room, person, message))

    def sending(self, room: str, person: str, text: str, time: int) -> Pause:
        return Pause(threat=False, many=bool(person))

    def forget(self, room: str) -> None:
        self.forgotten.append(room)


class Broken:
    """A guard in which everything fails, with words of a message in the error."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object) -> None:
            raise RuntimeError("send me a picture")

        return fail


def room(*people: str) -> Room:
    return Room(ROOM, joined={MIA, *people})


def conversing(guard: object) -> Conversing:
    return Conversing(guard, MIA, zone=UTC)  # type: ignore[arg-type]


def read(one: Conversing, sender: str, content: Any, *, trust=VERIFIED, event="$1", people=(LEO,), relates: Any = None):
    head = {"room_id": ROOM, "event_id": event, "sender": sender, "sent_at": 1_000_000}
    return one.read(room(*people), head, trust, {"content": {"m.relates_to": relates}}, content)


@pytest.mark.parametrize("kind", ["m.text", "m.notice", "m.emote"])
def test_words_are_read_with_the_hour_on_the_users_clock(kind: str):
    guard = Listening()
    read(conversing(guard), LEO, {"msgtype": kind, "body": "hello"})
    ((where, person, message),) = guard.heard
    assert (where, person, message.id, message.text, message.time) == (ROOM, LEO, "$1", "hello", 1_000_000)
    assert message.hour == 0


def test_captions_are_read_and_file_names_are_not():
    guard = Listening()
    for content in (
        {"msgtype": "m.image", "body": "how old are u", "filename": "cat.jpg"},
        {"msgtype": "m.image", "body": "cat.jpg", "filename": "cat.jpg"},
        {"msgtype": "m.image", "body": "cat.jpg"},
    ):
        read(conversing(guard), LEO, content)
    assert [message.text for _, _, message in guard.heard] == ["how old are u"]


@pytest.mark.parametrize("inside", [False, True])
def test_an_edit_comes_again_under_the_id_of_what_it_replaces(inside: bool):
    guard, relation = Listening(), {"rel_type": "m.replace", "event_id": "$first"}
    content = {"msgtype": "m.text", "body": "* new", "m.new_content": {"msgtype": "m.text", "body": "new"}}
    more = {"m.relates_to": relation} if inside else {}
    read(conversing(guard), LEO, {**content, **more}, event="$edit", relates=None if inside else relation)
    assert [(message.id, message.text) for _, _, message in guard.heard] == [("$first", "new")]


def test_own_messages_count_only_from_devices_that_the_account_vouches_for():
    """Nobody can make the guard quieter with a forged “thanks dad”."""
    guard = Listening()
    one = conversing(guard)
    for trust in set(SenderTrust) - {VERIFIED}:
        read(one, MIA, {"msgtype": "m.text", "body": "thanks dad"}, trust=trust)
    assert guard.own == guard.heard == []
    read(one, MIA, {"msgtype": "m.text", "body": "thanks dad"})
    assert len(guard.own) == len(guard.heard) == 1


def test_in_a_group_each_member_is_a_person_and_the_brake_knows_only_the_room():
    guard = Listening()
    one = conversing(guard)
    people = ("@a:x", "@b:x", "@c:x")
    for number, person in enumerate(people):
        read(one, person, {"msgtype": "m.text", "body": "hello"}, event=f"${number}", people=people)
    assert [person for _, person, _ in guard.heard] == list(people)
    guard.heard.clear()
    one.sent(room(*people), "$own", "hello all", 1)
    assert [person for _, person, _ in guard.heard] == list(people)
    assert [person for _, person, _ in guard.own] == [""]
    pause = one.pause(ROOM, "hello", 1)
    assert pause is not None
    assert not pause.many


def test_a_room_is_direct_where_nobody_else_is_in_it_or_invited():
    guard = Listening()
    one = conversing(guard)
    hello = {"msgtype": "m.text", "body": "hello"}
    read(one, LEO, hello, event="$1")
    read(one, LEO, hello, event="$2", people=())  # he wrote, and is gone by now
    one.sent(room(LEO), "$3", "hello", 1)
    assert guard.direct == [True] * 3
    guard.direct.clear()
    read(one, LEO, hello, event="$4", people=(LEO, "@sam:x"))
    one.sent(room(LEO, "@sam:x"), "$5", "hello all", 1)
    crowd = Room(ROOM, joined={MIA, LEO}, invited={"@sam:x"})
    one.sent(crowd, "$6", "hello all", 1)
    many = room(*(f"@{number}:x" for number in range(20)), LEO)
    one.sent(many, "$7", "hello all", 1)  # beside the one who wrote last, which does not make it direct
    assert guard.direct == [False] * 6


def test_in_a_large_room_own_messages_go_beside_those_who_wrote_last():
    guard = Listening()
    one = conversing(guard)
    people = [f"@{number:03}:x" for number in range(300)]
    for number, person in enumerate(people):
        read(one, person, {"msgtype": "m.text", "body": "hello"}, event=f"${number}", people=people)
    guard.heard.clear()
    one.sent(room(*people), "$own", "hello all", 1)
    assert [person for _, person, _ in guard.heard] == people[-8:]


def test_a_guard_that_fails_stops_nothing_and_tells_no_words(caplog: pytest.LogCaptureFixture):
    one = conversing(Broken())
    with caplog.at_level(logging.DEBUG):
        assert read(one, LEO, {"msgtype": "m.text", "body": "send me a picture"}) is None
        assert one.pause(ROOM, "send me a picture", 1) is None
        one.sent(room(LEO), "$own", "send me a picture", 1)
        one.forget(ROOM)
        one.close()
    assert "RuntimeError" in caplog.text
    assert "picture" not in caplog.text


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["msgtype", "body", "filename", "m.relates_to", "m.new_content", "content", "rel_type", "event_id"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(anything, st.dictionaries(st.sampled_from(["msgtype", "body", "m.relates_to", "m.new_content"]), anything))
def test_no_content_makes_it_fail(raw: Any, content: dict[str, Any]):
    said = text_of(raw, content)
    assert said is None or isinstance(said[1], str)
