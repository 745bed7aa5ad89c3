"""Which messages a report offers, who it is about, and what is sent: just what was ticked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import Any

import msgspec
import pytest

from chat.gallery import NOW, Story, asked
from chat.pair import ROOM, photograph, verdict
from chat.pretend import DAY, NEVER, NIGHT, PretendReports, an_id
from tutela.chat.conversation import entry_id
from tutela.chat.report_pages import card, offered, reading_time, reasons, sentences
from tutela.chat.reporting import MORE, NEAR, Filled, Offer, about, offers, reportable, send
from tutela.chat.window import Window
from tutela.device.reports import OwnReport
from tutela.device.verdict import Direction, Outcome
from tutela.integrations.matrix.errors import Unreachable
from tutela.integrations.matrix.franking import Franking
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.timeline import Message, Problem, TextMessage, UnreadableMessage
from tutela.language import words
from tutela.wire.report import ReadingTime, ReportOutcome, ReportReason, ReportState

LEO = "@leo:example.org"
ASKED = ReportReason.ASKED_FOR_PICTURES


async def long_conversation(length: int = 40) -> Window:
    story = Story()
    for number in range(length):
        sender = story.pair.leo if number % 2 else story.pair.mia
        await sender.send_text(ROOM, f"message {number}")
    return story.settle()


def name(window: Window, text: str) -> str:
    return next(entry_id(e.event_id) for e in window.events if isinstance(e, TextMessage) and e.text.startswith(text))


def texts(chosen: list[Offer]) -> list[str]:
    return [getattr(offer.message, "text", "a picture") for offer in chosen]


def filled(window: Window, *ticked: str, **changes: Any) -> Filled:
    values = {"id": an_id("one"), "reason": ASKED, "entry": "", "danger_now": False, "text": ""}
    return Filled(ticked={name(window, text) for text in ticked}, **values | changes)


async def reported(window: Window, form: Filled) -> dict[str, Any]:
    reports = window.client.reports
    assert isinstance(reports, PretendReports)
    await send(window, reports, form, language="en")
    [sent] = reports.sent
    return sent


# What is offered


async def test_the_message_and_the_few_around_it_are_ticked():
    window = await long_conversation()
    found = offers(window, name(window, "message 20"))
    assert len(found) == 2 * (NEAR + MORE) + 1
    assert texts([offer for offer in found if offer.ticked]) == [f"message {n}" for n in range(17, 24)]
    assert [offer.ticked for offer in found] == [offer.near for offer in found]
    assert texts([offer for offer in found if offer.chosen]) == ["message 20"]


@pytest.mark.parametrize(("number", "ticked"), [(0, range(4)), (39, range(36, 40))])
async def test_at_the_ends_there_are_fewer(number: int, ticked: range):
    window = await long_conversation()
    found = offers(window, name(window, f"message {number}"))
    assert texts([offer for offer in found if offer.ticked]) == [f"message {n}" for n in ticked]


@pytest.mark.parametrize("entry", ["", "e0000", "../etc"])
async def test_from_the_menu_the_newest_are_offered(entry: str):
    window = await long_conversation()
    found = offers(window, entry)
    assert texts([offer for offer in found if offer.ticked]) == [f"message {n}" for n in range(33, 40)]
    assert not any(offer.chosen for offer in found)


async def test_an_empty_conversation_offers_nothing():
    window = Story().settle()
    assert offers(window, "") == []
    assert about(window, "") is None


async def test_a_picture_is_never_ticked_from_the_start():
    window = await asked(Story())
    for event in window.events:
        for offer in offers(window, entry_id(event.event_id)):
            if not isinstance(offer.message, TextMessage):
                assert not offer.ticked


async def test_what_was_ticked_before_stays_so():
    window = await long_conversation()
    kept = {name(window, "message 12"), name(window, "message 20")}
    found = offers(window, name(window, "message 20"), ticked=kept)
    assert texts([offer for offer in found if offer.ticked]) == ["message 12", "message 20"]
    assert all(offer.near for offer in found if offer.ticked)


async def test_what_cannot_be_reported_is_not_offered(monkeypatch: pytest.MonkeyPatch):
    window = await long_conversation(5)
    monkeypatch.setattr(window.client, "evidence", lambda message: None)
    assert offers(window, "") == []
    story = Story()
    story.pair.mia.identity_changed(LEO)
    [notice] = story.settle().events
    assert not reportable(window.client, notice)


async def test_without_anybody_to_report_to_nothing_is_reportable():
    window = await long_conversation(5)
    window.client.reports = None
    assert not any(reportable(window.client, event) for event in window.events)


# Who it is about


async def test_who_sent_the_message_is_reported():
    story = Story()
    window = await story.talk()
    zoe = replace(window.events[0], sender="@zoe:example.org", event_id="$zoe")
    window.take(zoe)
    assert about(window, entry_id("$zoe")) == "@zoe:example.org"
    assert about(window, name(window, "This is what")) == LEO
    assert about(window, "") is None  # one of two: nobody is named by guessing


async def test_from_the_menu_or_an_own_message_the_only_other_one_is_reported():
    window = await Story().talk()
    assert about(window, "") == about(window, name(window, "Wow")) == LEO


# What is sent


async def test_only_what_is_ticked_goes():
    window = await asked(Story())
    sent = await reported(window, filled(window, "Just for me", "Why?", text="  Help me. ", danger_now=True))
    ids = {e.event_id for e in window.events if isinstance(e, TextMessage) and e.text.startswith(("Just", "Why"))}
    assert set(sent["messages"]) == ids
    assert (sent["files"], sent["about"], sent["text"], sent["danger_now"]) == ({}, LEO, "Help me.", True)


async def test_nothing_ticked_is_a_report_too():
    window = await asked(Story())
    assert (await reported(window, filled(window)))["messages"] == []


async def test_a_ticked_picture_goes_with_its_file():
    window = await asked(Story())
    pictures = [event for event in window.events if not isinstance(event, TextMessage)]
    form = replace(filled(window), ticked={entry_id(pictures[-1].event_id)})
    sent = await reported(window, form)
    assert sent["files"] == {pictures[-1].event_id: photograph("coffee")}


async def test_a_stopped_picture_is_fetched_only_to_be_reported():
    story = Story()
    await story.talk()
    story.pair.mia.judge = lambda _, direction: verdict(direction, Outcome.STOP)
    await story.pair.leo.send_picture(ROOM, photograph("coffee"), "cup.jpg")
    window = story.settle()
    stopped = window.events[-1]
    assert stopped.data is None
    sent = await reported(window, replace(filled(window), ticked={entry_id(stopped.event_id)}))
    assert sent["files"] == {stopped.event_id: photograph("coffee")}


async def test_a_picture_that_cannot_be_fetched_holds_nothing_up():
    story = Story()
    await story.talk()
    story.pair.mia.judge = lambda _, direction: verdict(direction, Outcome.STOP)
    await story.pair.leo.send_picture(ROOM, photograph("coffee"), "cup.jpg")
    window = story.settle()
    story.pair.mia.failure = Unreachable("no answer")
    sent = await reported(window, replace(filled(window), ticked={entry_id(window.events[-1].event_id)}))
    assert (len(sent["messages"]), sent["files"]) == (1, {})


# What is shown


def rows(window: Window, **changes: Any):
    return offered(
        [Offer(replace(m, **changes), False, True, True) for m in window.events if isinstance(m, Message)],
        opened=set(), own=window.client.user_id, words=words("en"), zone=UTC,
    )  # fmt: skip


async def test_messages_without_proof_are_said_to_be_so_in_plain_words():
    window = await Story().talk()
    assert [row.note for row in rows(window) if row.text != "A picture"] == [""] * 4
    for franking in (Franking.ABSENT, Franking.WRONG, Franking.MALFORMED):
        notes = {row.note for row in rows(window, franking=franking) if row.text != "A picture" and row.sender == "Leo"}
        assert notes == {"Sent with another app: it counts as what you tell us."}
        assert {row.note for row in rows(window, franking=franking) if row.sender == "You"} == {""}


async def test_pictures_are_shown_small_only_where_the_conversation_shows_them():
    story = Story()
    window = await story.talk()
    for outcome, shown in ((Outcome.ALLOW, True), (Outcome.WARN, False), (Outcome.STOP, False)):
        changes = {"verdict": verdict(Direction.INCOMING, outcome)}
        [picture] = [e for e in window.events if not isinstance(e, TextMessage)]
        offer = Offer(replace(picture, **changes), False, True, False)
        [row] = offered([offer], opened=set(), own="@mia:example.org", words=words("en"), zone=UTC)
        assert (row.thumbnail, row.text) == (shown, "A picture")
        assert row.note == "If you tick it, the people who help will see this picture."


async def test_what_cannot_be_shown_can_be_reported():
    window = await Story().talk()
    window.take(
        UnreadableMessage(
            room_id=ROOM, event_id="$video", sender=LEO, sent_at=0, own=False, trust=SenderTrust.VERIFIED,
            franking=Franking.COMMITTED, problem=Problem.UNSUPPORTED,
        )
    )  # fmt: skip
    row = rows(window)[-1]
    assert (row.text, row.thumbnail) == ("This kind of message cannot be shown here.", False)
    [offer] = [offer for offer in offers(window, "") if offer.message.event_id == "$video"]
    assert not offer.ticked


def test_every_reason_has_its_button():
    assert [reason.id for reason in reasons(words("en"))] == list(ReportReason)


def test_when_nobody_knows_nothing_is_promised():
    none = sentences(None, ASKED, now=NOW, zone=UTC, words=words("en"))
    assert (none.calm, none.danger, none.nobody) == ("", "", False)


def test_at_night_danger_is_read_and_the_rest_waits():
    told = sentences(NIGHT, ASKED, now=NOW, zone=UTC, words=words("en"))
    assert told.calm == "Nobody reads this before tomorrow at 08:00."
    assert (told.danger, told.nobody) == ("Somebody reads this within 15 minutes.", True)


async def own_report(**changes: Any) -> OwnReport:
    reports = PretendReports(lambda: NOW)
    values = {"messages": (), "files": {}, "about": LEO, "danger_now": False, "text": "", "language": "en"}
    own = await reports.send(ASKED, **values, report_id=an_id("one"))
    return replace(own, **changes)


async def test_the_time_that_is_left_counts_down():
    own = await own_report(made=int(NOW.timestamp() * 1000) - 3 * 3_600_000)
    assert reading_time(own, DAY, now=NOW) == ReadingTime(nobody_for=0, within=60)
    assert reading_time(own, NIGHT, now=NOW) == ReadingTime(nobody_for=880, within=60)
    late = replace(own, made=0)
    assert reading_time(late, NIGHT, now=NOW) == ReadingTime(nobody_for=0, within=0)
    assert reading_time(own, None, now=NOW) == ReadingTime(nobody_for=0, within=60)


async def test_a_promise_that_nobody_can_keep_is_taken_back_and_none_is_made_up():
    own = await own_report(made=int(NOW.timestamp() * 1000))
    nobody = ReadingTime(nobody_for=None, within=None)
    assert own.receipt is not None
    assert reading_time(own, NEVER, now=NOW) == nobody
    unread = replace(own, receipt=msgspec.structs.replace(own.receipt, read_within_minutes=None, nobody_reads=True))
    assert reading_time(unread, None, now=NOW) == nobody
    assert reading_time(unread, DAY, now=NOW) == DAY.reasons[ASKED], "somebody reads since"
    elsewhere = replace(own, reason=None, receipt=None)
    assert reading_time(elsewhere, NEVER, now=NOW) == nobody


@pytest.mark.parametrize("outcome", [None, *ReportOutcome])
async def test_every_outcome_has_kind_words(outcome: ReportOutcome | None):
    reports = PretendReports(lambda: NOW)
    values = {"messages": (), "files": {}, "about": LEO, "danger_now": False, "text": "", "language": "en"}
    await reports.send(ASKED, **values, report_id=an_id("one"))
    reports.told(an_id("one"), ReportState.DECIDED, outcome, "We wrote this.")
    client = Story().pair.mia
    for language in ("en", "fr"):
        shown = card(reports.own(an_id("one")), client=client, times=DAY, now=NOW, zone=UTC, words=words(language))
        assert shown.heading
        assert shown.text
        assert shown.answer == "We wrote this."
        assert shown.asked == (outcome is ReportOutcome.MORE_NEEDED)
