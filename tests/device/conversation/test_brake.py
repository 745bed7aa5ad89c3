"""The pause before sending: by the sender's own behaviour alone."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from signals.conversation.reading import reader
from tutela.device.conversation import AgeGroup, ConversationGuard, Settings
from tutela.device.profile import Profile
from tutela.language import words
from tutela.signals.conversation.message import Message, Side

READER = reader()
PUSHING = (
    "how old are u",
    "dont tell your mum",
    "are you alone",
    "add me on snapchat",
    "send me a picture",
    "ill show everyone",
)
ANSWERS = ("im 12", "im 34", "leave me alone", "ok mum", "how old are u", "hello", "send me a picture")


def play(folder: Path, answers: list[str], *, person: str = "@b:x", group: AgeGroup = AgeGroup.ADULT) -> list[object]:
    """Write the same messages while other answers come, and return every pause."""
    with Profile(folder, bytes(32)) as profile:
        guard = ConversationGuard(profile, reader=READER)
        guard.change(Settings(group))
        pauses: list[object] = []
        for i, line in enumerate(PUSHING):
            time = i * 120_000
            pause = guard.sending("!r", person, line, time)
            pauses.append(None if pause is None else pause.facts(words("en")))
            guard.sent("!r", person, Message(f"$own{i}", Side.OWN, line, time))
            if i < len(answers):
                guard.received("!r", person, Message(f"$o{i}", Side.OTHER, answers[i], time + 60_000))
        return pauses


def test_pushing_is_paused_in_time(tmp_path: Path) -> None:
    pauses = play(tmp_path / "p", [])
    assert pauses[0] is None
    assert any(pauses[:5])


@given(st.lists(st.sampled_from(ANSWERS), max_size=6))
@settings(max_examples=25, deadline=None)
def test_the_pause_is_the_same_whatever_the_other_person_writes(tmp_path_factory, answers: list[str]) -> None:
    folder = tmp_path_factory.mktemp("brake")
    assert play(folder / "with", answers, person="@child:x") == play(folder / "without", [], person="@adult:y")


def test_the_pause_leaves_no_trace_when_the_message_is_not_sent(tmp_path: Path) -> None:
    with Profile(tmp_path / "p", bytes(32)) as profile:
        guard = ConversationGuard(profile, reader=READER)
        before = guard._conversation("!r", "@b:x").own.encode()
        for _ in range(20):
            guard.sending("!r", "@b:x", "send me a picture", 0)
        assert guard._conversation("!r", "@b:x").own.encode() == before
        assert guard._openings.openings == []


def test_many_people_approached_alike_are_paused_earlier(tmp_path: Path) -> None:
    def first_pause(people: int) -> int | None:
        with Profile(tmp_path / str(people), bytes(32)) as profile:
            guard = ConversationGuard(profile, reader=READER)
            for p in range(people):
                for i, line in enumerate(PUSHING[:2]):
                    guard.sent(f"!{p}", f"@{p}:x", Message(f"${p}-{i}", Side.OWN, line, i * 60_000))
            for i, line in enumerate(PUSHING):
                if guard.sending("!new", "@new:x", line, i * 60_000) is not None:
                    return i
                guard.sent("!new", "@new:x", Message(f"$new-{i}", Side.OWN, line, i * 60_000))
        return None

    alone, many = first_pause(0), first_pause(8)
    assert alone is not None
    assert many is not None
    assert many <= alone


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    with Profile(tmp_path / "p", bytes(32)) as profile:
        guard = ConversationGuard(profile, reader=READER)
        guard.change(Settings(AgeGroup.ADULT, speaks_for_sender=False))
        for i, line in enumerate(PUSHING):
            assert guard.sending("!r", "@b:x", line, i) is None
            guard.sent("!r", "@b:x", Message(f"${i}", Side.OWN, line, i))
