"""A window sends what was chosen, once, and only what may be sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from chat.pair import ROOM, START, Pair, pair, photograph, verdict
from tutela.chat import window as window_module
from tutela.chat.conversation import acceptable, entry_id
from tutela.chat.window import EVENTS, TEXT_LENGTH, Window
from tutela.device.verdict import Outcome
from tutela.integrations.matrix.errors import (
    AccountLocked,
    IdentityChanged,
    OversizedMedia,
    SomebodyJoined,
    Unreachable,
)
from tutela.integrations.matrix.timeline import (
    Invitation,
    Notice,
    NoticeKind,
    PictureMessage,
    Problem,
    ServiceMessage,
    TextMessage,
    UnreadableMessage,
)
from tutela.language import words
from tutela.wire.manifest import Action


def settle(both: Pair) -> None:
    for window, client in ((both.mias, both.mia), (both.leos, both.leo)):
        while not client._queue.empty():
            window.take(client._queue.get_nowait())


def judge(outcome: Outcome, action: Action | None = None):
    return lambda _picture, direction: verdict(direction, outcome, action)


async def choose_and_send(window: Window, *, confirm: str = "") -> None:
    window.choose(photograph(), "a.jpg")
    assert window.chosen
    await window.send(window.chosen.id, confirm=confirm)


#: The question at `verdict(OUTGOING, WARN)`.
WARNED = "warn listed attested"


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
    await choose_and_send(both.mias, confirm=WARNED)
    assert both.mias.chosen
    assert both.mias.chosen.held
    await both.mias.send(both.mias.chosen.id, confirm=WARNED)
    assert both.mia.log == ["choose", "send confirmed=False", "send confirmed=False"]
    settle(both)
    assert both.leos.events == ()


async def test_a_confirmation_counts_only_after_the_question():
    both = pair(judge=judge(Outcome.WARN))
    await choose_and_send(both.mias, confirm=WARNED)
    assert both.mia.log == ["choose", "send confirmed=False"]
    assert both.mias.chosen
    await both.mias.send(both.mias.chosen.id, confirm=WARNED)
    assert both.mia.log[-1] == "send confirmed=True"
    assert both.mias.chosen is None


async def test_a_question_about_one_picture_does_not_confirm_another():
    both = pair(judge=judge(Outcome.WARN))
    await choose_and_send(both.mias)
    await choose_and_send(both.mias, confirm=WARNED)
    assert both.mia.log == ["choose", "send confirmed=False"] * 2


async def test_a_confirmation_counts_for_the_verdict_that_was_shown():
    both = pair(judge=judge(Outcome.UNCHECKED))
    await choose_and_send(both.mias)
    assert both.mias.chosen
    shown = both.mias.chosen.question
    both.mia.judge = judge(Outcome.WARN)
    await both.mias.send(both.mias.chosen.id, confirm=shown)
    assert both.mias.chosen.held
    assert (both.mias.chosen.held.outcome, both.mias.chosen.question) == (Outcome.WARN, WARNED)
    await both.mias.send(both.mias.chosen.id, confirm=shown)  # from a page that is older than the new question
    assert both.mia.log == ["choose", "send confirmed=False", "send confirmed=True", "send confirmed=False"]
    settle(both)
    assert both.leos.events == ()
    await both.mias.send(both.mias.chosen.id, confirm=WARNED)
    settle(both)
    assert len(both.leos.events) == 1


async def test_two_clicks_send_once():
    both = pair()
    both.mias.choose(photograph(), "a.jpg")
    assert both.mias.chosen
    chosen = both.mias.chosen.id
    await asyncio.gather(*(both.mias.send(chosen) for _ in range(3)))
    assert both.mia.log == ["choose", "send confirmed=False"]


async def test_a_stale_page_cannot_send_or_discard_another_picture():
    both = pair()
    both.mias.choose(photograph(), "a.jpg")
    assert both.mias.chosen
    stale = both.mias.chosen.id
    both.mias.choose(photograph("chelsea"), "b.jpg")
    await both.mias.send(stale)
    both.mias.discard(stale)
    assert both.mias.chosen
    assert both.mias.chosen.filename == "b.jpg"
    assert both.mia.log == ["choose", "choose"]


async def test_trying_again_after_an_unchecked_stop():
    both = pair(judge=judge(Outcome.UNCHECKED, Action.STOP))
    await choose_and_send(both.mias)
    both.mia.judge = judge(Outcome.ALLOW)
    assert both.mias.chosen
    await both.mias.send(both.mias.chosen.id)
    settle(both)
    assert len(both.leos.events) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unreachable("no answer"), "could not be sent just now"),
        (OSError("no network"), "could not be sent just now"),
        (IdentityChanged("changed", users=("@leo:example.org",)), "security keys changed"),
        (AccountLocked("locked", status=401, errcode="M_USER_LOCKED"), "has locked your account"),
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
    await both.mias.send(both.mias.chosen.id)
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
    both.mias.take(replace(event, event_id="$other", data=photograph()))  # not even if a client handed over the bytes
    both.mias.open(entry_id("$other"))
    assert both.mias.picture(entry_id("$other"), opened=True) is None
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


def unreadable(message: TextMessage, problem: Problem) -> UnreadableMessage:
    """The same message, before it could be read."""
    names = ("room_id", "event_id", "sender", "sent_at", "own", "trust")
    return UnreadableMessage(**{name: getattr(message, name) for name in names}, problem=problem)


async def test_a_message_takes_the_place_of_the_one_that_waited_for_its_key_and_of_no_other():
    both = pair()
    await both.leo.send_text(ROOM, "first")
    await both.leo.send_text(ROOM, "second")
    first = both.mia._queue.get_nowait()
    waited = unreadable(first, Problem.NO_KEY)
    failed = unreadable(replace(first, event_id="$failed"), Problem.UNDECRYPTABLE)
    for event in (waited, failed, first, replace(first, event_id="$failed")):
        both.mias.take(event)
    assert both.mias.events == (first, failed)
    settle(both)
    for event in both.mias.events:
        both.mias.take(replace(first, event_id=event.event_id, text="something else under the same id"))
    assert [getattr(event, "text", None) for event in both.mias.events[::2]] == ["first", "second"]
    assert both.mias.events[1] == failed


async def test_a_picture_under_the_id_of_one_that_was_opened_is_not_open():
    both = pair()
    entry, event = await receive(both, Outcome.WARN)
    both.mias.open(entry)
    both.mias.take(replace(event, data=photograph("chelsea")))
    assert both.mias.picture(entry, opened=True) == photograph()
    for index in range(EVENTS):
        await both.leo.send_text(ROOM, str(index))
    settle(both)
    both.mias.take(event)  # the earlier one is long gone
    assert both.mias.picture(entry, opened=True) is None
    assert both.mias.picture(entry, opened=False) == photograph()


async def test_a_locked_account_is_told_in_every_window_and_what_was_read_stays():
    both = pair()
    await both.leo.send_text(ROOM, "hello")
    settle(both)
    letter = ServiceMessage(
        room_id="!s", event_id="$s", sender="@safety:example.org", sent_at=START, text="Why. A link."
    )
    both.mias.take(letter)
    kind = NoticeKind.ACCOUNT_LOCKED
    both.mias.take(Notice(room_id="", event_id="", sender=both.mia.user_id, sent_at=0, kind=kind))
    text, told, notice = both.mias.events
    assert isinstance(text, TextMessage)
    assert told == letter
    assert isinstance(notice, Notice)
    assert "link" in notice.text(words("en"))
    assert acceptable(both.mias.events, accepted=set()) == set()


async def test_the_clients_own_notices_get_an_id_that_no_server_can_name_and_the_time():
    both = pair()
    both.mia.identity_changed("@leo:example.org")
    both.mia.identity_changed("@leo:example.org")
    settle(both)
    first, second = (event.event_id for event in both.mias.events)
    assert first != second
    assert {event.sent_at for event in both.mias.events} == {int(START.timestamp() * 1000)}
    await both.leo.send_text(ROOM, "injected")
    injected = both.mia._queue.get_nowait()
    for event_id in (first, "notice-1", "notice-3"):
        both.mias.take(replace(injected, event_id=event_id))
    both.mia.identity_changed("@leo:example.org")
    settle(both)
    assert len([event for event in both.mias.events if isinstance(event, Notice)]) == 3


async def test_an_invitation_is_no_part_of_the_conversation():
    both = pair()
    both.mias.take(Invitation(room_id=ROOM, event_id="", sender="@leo:example.org", sent_at=0, name=""))
    assert both.mias.events == ()


async def test_what_the_service_says_is_shown_once_whatever_room_is_shown():
    both = pair()
    said = ServiceMessage(
        room_id="!service:example.org", event_id="$s", sender="@safety:example.org", sent_at=1, text="x"
    )
    both.mias.take(said)
    both.mias.take(replace(said, text="other words"))
    assert both.mias.events == (said,)
    entry = entry_id("$s")
    both.mias.accept(entry)
    both.mias.open(entry)
    assert both.mia.log == []
    assert both.mias.picture(entry, opened=True) is None


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
    await both.mias.send(both.mias.chosen.id)
    await told.get()
    both.mias.discard(both.mias.chosen.id)
    await told.get()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
