"""A window sends what was chosen, once, and only what may be sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from chat.pair import ROOM, START, Pair, pair, photograph, verdict
from tutela.chat import window as window_module
from tutela.chat.conversation import entry_id
from tutela.chat.window import EVENTS, TEXT_LENGTH, Window
from tutela.device.verdict import Outcome
from tutela.integrations.matrix.errors import IdentityChanged, OversizedMedia, SomebodyJoined, Unreachable
from tutela.integrations.matrix.timeline import Invitation, PictureMessage
from tutela.wire.manifest import Action


def settle(both: Pair) -> None:
    for window, client in ((both.mias, both.mia), (both.leos, both.leo)):
        while not client._queue.empty():
            window.take(client._queue.get_nowait())


def judge(outcome: Outcome, action: Action | None = None):
    return lambda _picture, direction: verdict(direction, outcome, action)


async def choose_and_send(window: Window, *, confirm: bool = False) -> None:
    window.choose(photograph(), "a.jpg")
    assert window.chosen
    await window.send(window.chosen.id, confirm=confirm)


async def test_the_check_starts_when_a_picture_is_chosen():
    both = pair()
    both.mias.choose(photograph(), "a.jpg")
    assert both.mia.log == ["choose"]


async def test_an_ordinary_picture_goes_and_is_seen_on_both_sides():
    both = pair()
    await choose_and_send(both.mias)
    settle(both)
    assert both.mias.chosen is None
    for window in (both.mias, both.leos):
        (event,) = window.events
        assert window.picture(entry_id(event.event_id), opened=True) == photograph()


async def test_a_stopped_picture_stays_and_cannot_be_confirmed():
    both = pair(judge=judge(Outcome.STOP))
    await choose_and_send(both.mias, confirm=True)
    assert both.mias.chosen
    assert both.mias.chosen.held
    await both.mias.send(both.mias.chosen.id, confirm=True)
    assert both.mia.log == ["choose", "send confirm=False", "send confirm=False"]
    settle(both)
    assert both.leos.events == ()


async def test_a_confirmation_counts_only_after_the_question():
    both = pair(judge=judge(Outcome.WARN))
    await choose_and_send(both.mias, confirm=True)
    assert both.mia.log == ["choose", "send confirm=False"]
    assert both.mias.chosen
    await both.mias.send(both.mias.chosen.id, confirm=True)
    assert both.mia.log[-1] == "send confirm=True"
    assert both.mias.chosen is None


async def test_a_question_about_one_picture_does_not_confirm_another():
    both = pair(judge=judge(Outcome.WARN))
    await choose_and_send(both.mias)
    await choose_and_send(both.mias, confirm=True)
    assert both.mia.log == ["choose", "send confirm=False"] * 2


async def test_two_clicks_send_once():
    both = pair()
    both.mias.choose(photograph(), "a.jpg")
    assert both.mias.chosen
    chosen = both.mias.chosen.id
    await asyncio.gather(*(both.mias.send(chosen, confirm=False) for _ in range(3)))
    assert both.mia.log == ["choose", "send confirm=False"]


async def test_a_stale_page_cannot_send_or_discard_another_picture():
    both = pair()
    both.mias.choose(photograph(), "a.jpg")
    assert both.mias.chosen
    stale = both.mias.chosen.id
    both.mias.choose(photograph("chelsea"), "b.jpg")
    await both.mias.send(stale, confirm=False)
    both.mias.discard(stale)
    assert both.mias.chosen
    assert both.mias.chosen.filename == "b.jpg"
    assert both.mia.log == ["choose", "choose"]


async def test_trying_again_after_an_unchecked_stop():
    both = pair(judge=judge(Outcome.UNCHECKED, Action.STOP))
    await choose_and_send(both.mias)
    both.mia.judge = judge(Outcome.ALLOW)
    assert both.mias.chosen
    await both.mias.send(both.mias.chosen.id, confirm=False)
    settle(both)
    assert len(both.leos.events) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unreachable("no answer"), "could not be sent just now"),
        (OSError("no network"), "could not be sent just now"),
        (IdentityChanged("changed", users=("@leo:example.org",)), "security keys changed"),
        (SomebodyJoined("joined", users=("@zoe:example.org",)), "somebody new is in this conversation"),
        (OversizedMedia("too large"), "too large"),
    ],
)
async def test_what_cannot_be_sent_is_said_and_kept(error: Exception, said: str):
    both = pair(failure=error)
    await both.mias.say("hi")
    assert said in both.mias.failure
    await choose_and_send(both.mias)
    assert said in both.mias.failure
    assert both.mias.chosen
    both.mia.failure = None
    await both.mias.send(both.mias.chosen.id, confirm=False)
    assert both.mias.failure == ""
    assert both.mias.chosen is None


async def test_text_is_bounded_and_never_empty():
    both = pair()
    await both.mias.say("  \n ")
    await both.mias.say("a" * (TEXT_LENGTH + 1))
    assert "too long" in both.mias.failure
    await both.mias.say(" " + "a" * TEXT_LENGTH)
    settle(both)
    assert [event.text for event in both.leos.events] == ["a" * TEXT_LENGTH]


async def receive(both: Pair, outcome: Outcome) -> tuple[str, PictureMessage]:
    both.mia.judge = judge(outcome)
    await both.leo.send_picture(ROOM, photograph(), "a.jpg")
    settle(both)
    event = both.mias.events[-1]
    assert isinstance(event, PictureMessage)
    return entry_id(event.event_id), event


async def test_a_received_stop_can_be_seen_in_no_way():
    both = pair()
    entry, event = await receive(both, Outcome.STOP)
    both.mias.open(entry)
    both.mias.take(replace(event, data=photograph()))  # not even if a client handed over the bytes
    both.mias.open(entry)
    assert both.mias.opened == set()
    assert both.mias.picture(entry, opened=True) is None
    assert both.mias.picture(entry, opened=False) is None


async def test_a_received_warn_is_seen_after_asking_only():
    both = pair()
    entry, _ = await receive(both, Outcome.WARN)
    assert both.mias.picture(entry, opened=True) is None
    assert both.mias.picture(entry, opened=False) == photograph()
    both.mias.open(entry)
    assert both.mias.picture(entry, opened=True) == photograph()
    both.mias.cover(entry)
    assert both.mias.picture(entry, opened=True) is None


async def test_a_changed_identity_is_accepted_once_at_its_newest_notice():
    both = pair()
    both.mia.identity_changed("@leo:example.org")
    both.mia.identity_changed("@leo:example.org")
    settle(both)
    older, newest = (entry_id(event.event_id) for event in both.mias.events)
    both.mias.accept(older)
    both.mias.accept("e0")
    assert both.mia.log == []
    both.mia.failure = Unreachable("no answer")
    both.mias.accept(newest)
    assert "could not be accepted" in both.mias.failure
    both.mia.failure = None
    both.mias.accept(newest)
    both.mias.accept(newest)
    assert both.mia.log == ["accept @leo:example.org m6Vq PZ1x 8TtE nWc3"]


async def test_who_has_come_is_accepted_in_this_room():
    both = pair()
    both.mia.somebody_joined("@zoe:example.org")
    settle(both)
    (asked,) = (entry_id(event.event_id) for event in both.mias.events)
    both.mia.failure = Unreachable("no answer")
    both.mias.accept(asked)
    assert "could not be accepted" in both.mias.failure
    both.mia.failure = None
    both.mias.accept(asked)
    both.mias.accept(asked)
    assert both.mia.log == [f"accept @zoe:example.org in {ROOM}"]


async def test_a_message_takes_the_place_of_the_one_that_waited_for_it():
    both = pair()
    await both.leo.send_text(ROOM, "first")
    await both.leo.send_text(ROOM, "second")
    settle(both)
    first = both.mias.events[0]
    both.mias.take(replace(first, text="decrypted at last"))
    assert [event.text for event in both.mias.events] == ["decrypted at last", "second"]


async def test_the_clients_own_notices_get_an_id_and_the_time():
    both = pair()
    both.mia.identity_changed("@leo:example.org")
    both.mia.identity_changed("@leo:example.org")
    settle(both)
    assert [event.event_id for event in both.mias.events] == ["notice-1", "notice-2"]
    assert {event.sent_at for event in both.mias.events} == {int(START.timestamp() * 1000)}


async def test_an_invitation_is_no_part_of_the_conversation():
    both = pair()
    both.mias.take(Invitation(room_id=ROOM, event_id="", sender="@leo:example.org", sent_at=0, name=""))
    assert both.mias.events == ()


async def test_other_rooms_are_not_shown():
    both = pair()
    await both.leo.send_text(ROOM, "here")
    event = both.mia._queue.get_nowait()
    both.mias.take(replace(event, room_id="!other:example.org"))
    assert both.mias.events == ()


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch):
    both = pair()
    for index in range(EVENTS + 5):
        await both.leo.send_text(ROOM, str(index))
    settle(both)
    assert [event.text for event in both.mias.events] == [str(index) for index in range(5, EVENTS + 5)]
    monkeypatch.setattr(window_module, "PICTURE_MEMORY", 2 * len(photograph()))
    for _ in range(4):
        await both.leo.send_picture(ROOM, photograph(), "a.jpg")
    settle(both)
    kept = [event.data is not None for event in both.mias.events if isinstance(event, PictureMessage)]
    assert kept == [False, False, True, True]


async def test_each_change_is_told():
    both = pair(judge=judge(Outcome.STOP))
    entry, _ = await receive(both, Outcome.WARN)
    told = asyncio.Queue[None]()

    async def listen() -> None:
        async for _ in both.mias.changes.follow():
            told.put_nowait(None)

    async def choose() -> None:
        both.mias.choose(photograph(), "a.jpg")

    async def open_and_cover() -> None:
        both.mias.open(entry)
        await told.get()
        both.mias.cover(entry)

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    for act in (both.mias.say("hi"), choose(), open_and_cover()):
        await act
        await told.get()
    assert both.mias.chosen
    await both.mias.send(both.mias.chosen.id, confirm=False)
    await told.get()
    both.mias.discard(both.mias.chosen.id)
    await told.get()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
