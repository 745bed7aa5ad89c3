"""The conversation guard on a profile: it speaks, keeps little, seals it, and forgets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from signals.conversation.reading import reader
from tutela.device.conversation import AgeGroup, ConversationGuard, Limits, Settings
from tutela.device.profile import Profile
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.message import Message, Side

KEY = bytes(range(32))
READER = reader()
APPROACH = ("how old are u", "dont tell your mum", "are you alone", "add me on snapchat", "send me a picture")
PERSON, ROOM = "@other:example.org", "!room:example.org"


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    with Profile(tmp_path / "profile", KEY) as opened:
        yield opened


def guard(profile: Profile, **more: object) -> ConversationGuard:
    return ConversationGuard(profile, reader=READER, **more)  # type: ignore[arg-type]


def approach(on: ConversationGuard, lines: tuple[str, ...] = APPROACH, *, room: str = ROOM, start: int = 0):
    return [
        on.received(room, PERSON, Message(f"${room}{start + i}", Side.OTHER, line, (start + i) * 60_000))
        for i, line in enumerate(lines)
    ]


def test_it_speaks_while_an_approach_unfolds_and_says_why(profile: Profile) -> None:
    told = [advice for advice in approach(guard(profile)) if advice is not None]
    assert [advice.level for advice in told] == sorted({advice.level for advice in told})
    last = told[-1]
    assert last.level >= Level.NUDGE
    assert "You were asked to keep something secret." in last.reasons
    assert f"${ROOM}1" in last.evidence


def test_a_restart_goes_on_where_it_was(profile: Profile) -> None:
    first = guard(profile)
    approach(first, APPROACH[:3])
    first.close()
    again = guard(profile)
    whole = guard(Profile(profile.folder.parent / "whole", KEY))
    assert approach(again, APPROACH[3:], start=3) == approach(whole)[3:]


def test_a_killed_process_loses_nothing_that_was_shown(profile: Profile) -> None:
    approach(guard(profile))  # never closed
    assert guard(profile).advice(ROOM, PERSON) is not None


def test_nothing_of_what_was_written_can_be_read_at_rest(profile: Profile) -> None:
    one = guard(profile)
    approach(one)
    one.sent(ROOM, PERSON, Message("$own", Side.OWN, "leave me alone please", 10**7))
    one.close()
    stored = [path for path in profile.folder.rglob("*") if path.is_file()]
    assert any("conversation-with-" in path.name for path in stored)
    for path in stored:
        data = path.read_bytes()
        for word in (b"picture", b"snapchat", b"mum", b"please", b"secrecy", b"other:example", b"room:example"):
            assert word not in data
            assert word not in path.name.encode()


def test_forgetting_a_room_deletes_all_that_is_kept_of_it(profile: Profile) -> None:
    one = guard(profile)
    approach(one)
    approach(one, room="!another:example.org")
    one.sent(ROOM, PERSON, Message("$own", Side.OWN, "send me a picture", 10**7))
    before = set(profile.names("conversation-with-"))
    one.forget(ROOM)
    assert one.advice(ROOM, PERSON) is None
    one.close()
    again = guard(profile)
    assert again.advice(ROOM, PERSON) is None
    assert again.advice("!another:example.org", PERSON) is not None
    assert len(set(profile.names("conversation-with-")) & before) == 1
    assert again._openings.openings == []


def test_people_in_one_room_are_kept_apart(profile: Profile) -> None:
    one = guard(profile)
    for i, line in enumerate(APPROACH):
        one.received(ROOM, f"@p{i}:example.org", Message(f"${i}", Side.OTHER, line, i * 60_000))
    assert all(one.advice(ROOM, f"@p{i}:example.org") is None for i in range(len(APPROACH)))


def test_many_conversations_are_kept_on_disk_and_not_in_memory(profile: Profile) -> None:
    one = guard(profile)
    for i in range(40):
        one.received(f"!{i}", PERSON, Message(f"${i}", Side.OTHER, "are you alone", 60_000))
    assert len(one._open) <= 32
    one.received("!0", PERSON, Message("$again", Side.OTHER, "dont tell your mum", 120_000))
    assert len(one._conversation("!0", PERSON).theirs.memory.other.signals) == 2


def test_a_damaged_record_is_begun_anew(profile: Profile, caplog: pytest.LogCaptureFixture) -> None:
    one = guard(profile)
    approach(one)
    one.close()
    (name,) = profile.names("conversation-with-")
    (profile.folder / f"{name}.sealed").write_bytes(b"garbage")
    with caplog.at_level(logging.WARNING):
        assert guard(profile).advice(ROOM, PERSON) is None
    assert "damaged" in caplog.text
    assert "mum" not in caplog.text


def test_who_speaks_to_an_adult_is_the_adults_own_choice(profile: Profile) -> None:
    one = guard(profile)
    one.change(Settings(AgeGroup.ADULT, Level.QUIET))
    assert one.lowest is None
    assert approach(one) == [None] * len(APPROACH)
    assert profile.names("conversation-with-") == []


@pytest.mark.parametrize(
    ("group", "chosen", "limits", "lowest"),
    [
        (AgeGroup.TEEN, None, Limits(), Level.TIP),
        (AgeGroup.TEEN, Level.NUDGE, Limits(), Level.NUDGE),
        (AgeGroup.CHILD, Level.QUIET, Limits(), Level.WARNING),
        (AgeGroup.TEEN, Level.QUIET, Limits(may_switch_off=True), None),
        (AgeGroup.TEEN, Level.WARNING, Limits(at_most=Level.NUDGE), Level.NUDGE),
        (AgeGroup.TEEN, None, Limits(at_first=Level.NUDGE), Level.NUDGE),
        (AgeGroup.ADULT, None, Limits(at_first=Level.TIP), Level.NUDGE),
        (AgeGroup.ADULT, Level.QUIET, Limits(), None),
    ],
)
def test_the_policy_bounds_what_a_childs_account_may_choose(
    profile: Profile, group: AgeGroup, chosen: Level | None, limits: Limits, lowest: Level | None
) -> None:
    one = guard(profile, limits=lambda _: limits)
    one.change(Settings(group, chosen))
    assert one.lowest == lowest
    assert guard(profile, limits=lambda _: limits).settings == Settings(group, chosen)
