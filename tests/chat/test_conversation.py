"""What happened becomes what is shown; the verdict's action decides about pictures."""

from __future__ import annotations

from datetime import UTC, date, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.pair import ROOM, START, verdict
from tutela.chat.conversation import acceptable, entry_id, picture_state, short_name, show
from tutela.device.verdict import Direction, Outcome
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.timeline import (
    Invitation,
    Message,
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

OWN = "@mia:example.org"
TODAY = date(2026, 11, 24)
HEAD = {"room_id": ROOM, "sender": "@leo:example.org", "sent_at": int(START.timestamp() * 1000)}
MESSAGE = {**HEAD, "own": False, "trust": SenderTrust.VERIFIED}


def text(event_id: str = "$1", **more) -> TextMessage:
    return TextMessage(**{**MESSAGE, "event_id": event_id, "text": "hi", **more})


def picture(outcome: Outcome, action: Action | None = None, **more) -> PictureMessage:
    found = verdict(Direction.INCOMING, outcome, action)
    return PictureMessage(**{**MESSAGE, "event_id": "$p", "filename": "a.jpg", "data": b"x", "verdict": found, **more})


def notice(event_id: str, kind: NoticeKind = NoticeKind.IDENTITY_CHANGED, sender: str = "@leo:example.org") -> Notice:
    return Notice(**{**HEAD, "event_id": event_id, "sender": sender, "kind": kind, "fingerprint": "abcd efgh"})


def shown(*events, language: str = "en", **more):
    days = show(events, words=words(language), **{"own": OWN, "zone": UTC, "today": TODAY, **more})
    return [entry for day in days for entry in day.entries]


@pytest.mark.parametrize(
    ("message", "opened", "state"),
    [
        (picture(Outcome.ALLOW), False, "shown"),
        (picture(Outcome.WARN), False, "asked"),
        (picture(Outcome.WARN), True, "shown"),
        (picture(Outcome.STOP, data=None), False, "covered"),
        (picture(Outcome.STOP, data=None), True, "covered"),
        (picture(Outcome.STOP), True, "covered"),
        (picture(Outcome.STOP, own=True), True, "covered"),
        (picture(Outcome.UNCHECKED, Action.ALLOW), False, "shown"),
        (picture(Outcome.UNCHECKED, Action.WARN), False, "asked"),
        (picture(Outcome.UNCHECKED, Action.STOP), True, "covered"),
        (picture(Outcome.WARN, own=True), False, "shown"),
        (picture(Outcome.ALLOW, data=None), False, "gone"),
        (picture(Outcome.WARN, data=None), False, "gone"),
    ],
)
def test_the_action_decides(message: PictureMessage, opened: bool, state: str):
    assert picture_state(message, opened=opened) == state


@given(st.sampled_from(Outcome), st.sampled_from(Action), st.booleans(), st.booleans())
def test_stop_is_never_shown(outcome: Outcome, action: Action, own: bool, opened: bool):
    state = picture_state(picture(outcome, action, own=own), opened=opened)
    assert (state == "covered") == (action is Action.STOP)


def test_a_cover_has_the_verdicts_words():
    (entry,) = shown(picture(Outcome.STOP, data=None))
    assert (entry.title, entry.picture, entry.hideable) == ("This picture is hidden", "covered", False)
    assert "You did nothing wrong" in entry.text
    (french,) = shown(picture(Outcome.STOP, data=None), language="fr")
    assert french.title == "Cette photo est cachée"


def test_only_a_picture_that_was_asked_for_can_be_hidden_again():
    assert shown(picture(Outcome.WARN), opened={"$p"})[0].hideable
    assert not shown(picture(Outcome.ALLOW), opened={"$p"})[0].hideable
    assert not shown(picture(Outcome.WARN, own=True))[0].hideable


def test_a_picture_that_passed_unchecked_says_so():
    assert shown(picture(Outcome.UNCHECKED, Action.ALLOW))[0].doubt == "This picture could not be checked."
    assert shown(picture(Outcome.ALLOW))[0].doubt == ""
    both = shown(picture(Outcome.UNCHECKED, Action.ALLOW, trust=SenderTrust.UNKNOWN))[0].doubt
    assert both == "Sent from an unknown device. This picture could not be checked."


@pytest.mark.parametrize("trust", SenderTrust)
def test_an_unverified_device_is_named_on_every_kind_of_message(trust: SenderTrust):
    events = (
        text("$t", trust=trust),
        picture(Outcome.ALLOW, trust=trust),
        UnreadableMessage(**{**MESSAGE, "event_id": "$u", "trust": trust, "problem": Problem.NO_KEY}),
    )
    for entry, event in zip(shown(*events), events, strict=True):
        assert entry.doubt == event.caution(words("en"))
        assert bool(entry.doubt) == (trust is not SenderTrust.VERIFIED)


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_notice_has_a_title_and_words(kind: NoticeKind):
    (entry,) = shown(notice("$n", kind))
    assert entry.kind == "notice"
    assert entry.title
    assert "{" not in entry.title + entry.text
    assert bool(entry.answer) == (kind in (NoticeKind.IDENTITY_CHANGED, NoticeKind.SOMEBODY_JOINED))
    assert entry.fingerprint == "abcd efgh"


@pytest.mark.parametrize("problem", Problem)
def test_what_cannot_be_read_says_why(problem: Problem):
    (entry,) = shown(UnreadableMessage(**MESSAGE, event_id="$u", problem=problem))
    assert (entry.kind, bool(entry.text)) == ("unreadable", True)


def test_only_the_newest_change_of_a_person_can_be_accepted_and_only_once():
    events = [notice("$1"), notice("$2"), notice("$3", sender="@ann:example.org"), text()]
    assert acceptable(events, accepted=()) == {"$2", "$3"}
    assert acceptable(events, accepted={"$2"}) == {"$3"}
    assert [bool(entry.answer) for entry in shown(*events, accepted={"$2"})] == [False, False, True, False]


def test_a_person_who_came_and_whose_keys_changed_is_asked_about_twice():
    events = [notice("$1"), notice("$2", NoticeKind.SOMEBODY_JOINED), notice("$3", NoticeKind.SOMEBODY_JOINED)]
    assert acceptable(events, accepted=()) == {"$1", "$3"}
    assert [entry.icon for entry in shown(*events)] == ["key", "person", "person"]


@pytest.mark.parametrize(("language", "title"), [("en", "From the service"), ("fr", "Du service")])
def test_what_the_service_says_is_told_with_its_own_sign(language: str, title: str):
    (entry,) = shown(ServiceMessage(**HEAD, event_id="$s", text="one\n\ntwo"), language=language)
    assert (entry.kind, entry.icon, entry.title, entry.text) == ("notice", "letter", title, "one\n\ntwo")
    assert (entry.answer, entry.reportable, entry.mine, entry.doubt, entry.fingerprint) == ("", False, False, "", "")


def test_days_follow_the_readers_clock():
    late = text("$late", sent_at=int((START.replace(hour=23, minute=30)).timestamp() * 1000))
    events = (text("$early"), late)
    names = [day.name for day in show(events, own=OWN, words=words("en"), zone=UTC, today=TODAY)]
    assert names == ["Today"]
    east = timezone(timedelta(hours=2))
    days = show(events, own=OWN, words=words("en"), zone=east, today=TODAY + timedelta(days=1))
    assert [(day.name, day.entries[0].clock) for day in days] == [("Yesterday", "18:02"), ("Today", "01:30")]


def test_what_is_no_part_of_the_conversation_is_left_out():
    assert shown(Invitation(**HEAD, event_id="$i", name="")) == []


def test_an_unknown_kind_of_message_is_a_mistake_of_ours():
    with pytest.raises(TypeError):
        shown(Message(**MESSAGE, event_id="$m"))


@given(st.text(max_size=300))
def test_an_entrys_id_is_safe_everywhere(event_id: str):
    assert entry_id(event_id).isascii()
    assert entry_id(event_id).isalnum()
    assert entry_id(event_id)[0].isalpha()


def test_people_of_one_name_on_two_homeservers_are_told_apart():
    assert short_name("@mia:example.org", seen_by=OWN) == "Mia"
    assert short_name("@leo:other.example:8448", seen_by=OWN) == "Leo (other.example:8448)"
    events = (text("$1"), text("$2", sender="@leo:other.example"), notice("$3", sender="@leo:other.example"))
    first, second, third = shown(*events)
    assert (first.sender, second.sender) == ("Leo", "Leo (other.example)")
    assert third.title == "Is it still Leo (other.example)?"
