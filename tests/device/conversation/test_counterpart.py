"""One person in several rooms: what they showed goes on with them, and goes with the room in which they showed it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.conversation.reading import reader
from tutela.device.conversation import Advice, AgeGroup, ConversationGuard, Settings
from tutela.device.conversation.counterpart import MOST, pooled, together
from tutela.device.profile import Profile
from tutela.signals.conversation.conversation import Conversation, Reader
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.memory import HALF_TIME, Memory
from tutela.signals.conversation.message import Message, Side
from tutela.signals.conversation.model import Thresholds
from tutela.signals.conversation.stages import stage_of

KEY = bytes(range(32))
LEO, SAM = "@leo:example.org", "@sam:example.org"
SPLIT = {
    "!first:x": ("how old are u", "you are cute"),
    "!second:x": ("dont tell your mum",),
    "!third:x": ("send me a picture",),
}


def plain() -> Reader:
    """A reader that adds 1 for the first sight of a signal, a half for the second: any two rooms of `SPLIT` show 3."""
    weights = dict.fromkeys((f"signal:{signal}" for signal in stage_of()), 2.0)
    thresholds = Thresholds(tip=2.5, nudge=3.5, warning=50.0)
    using: Reader = reader('[signals.minor]\nphrases = ["in sixth grade"]\n')
    model = msgspec.structs.replace(using.model, bias=0.0, weights=weights, thresholds=thresholds)
    return replace(using, model=model)


READER = plain()


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    with Profile(tmp_path / "profile", KEY) as opened:
        yield opened


class Talking:
    """A guard that reads one line after another."""

    def __init__(self, profile: Profile) -> None:
        self.profile, self.number = profile, 0
        self.guard = ConversationGuard(profile, reader=READER)

    def restart(self, *, killed: bool = False) -> None:
        if not killed:
            self.guard.close()
        self.guard = ConversationGuard(self.profile, reader=READER)

    def says(
        self, room: str, *lines: str, person: str = LEO, direct: bool = True, side: Side = Side.OTHER
    ) -> list[Advice]:
        told = []
        for line in lines:
            self.number += 1
            message = Message(f"${self.number}", side, line, self.number * 60_000)
            told.append(self.guard.received(room, person, message, direct=direct))
        return [advice for advice in told if advice is not None]

    def weighed(self, room: str) -> float:
        found = self.guard._conversation(room, LEO)
        return self.guard._assess(self.guard._name(room, LEO), found).score

    def split(self, *, person: str = LEO, direct: bool = True) -> list[Advice]:
        return [one for room, lines in SPLIT.items() for one in self.says(room, *lines, person=person, direct=direct)]


@pytest.fixture
def talking(profile: Profile) -> Talking:
    return Talking(profile)


def nudged(told: list[Advice]) -> bool:
    return any(advice.level >= Level.NUDGE for advice in told)


def test_no_room_nor_any_two_of_them_would_be_enough(profile: Profile, tmp_path: Path) -> None:
    for number, missing in enumerate(SPLIT):
        with Profile(tmp_path / str(number), KEY) as opened:
            one = Talking(opened)
            assert not nudged([a for room in SPLIT if room != missing for a in one.says(room, *SPLIT[room])])


def test_an_approach_split_over_three_rooms_gets_its_nudge(talking: Talking) -> None:
    told = talking.split()
    assert nudged(told)
    assert "You were asked to keep something secret." in told[-1].reasons
    assert told[-1].reasons[-1] == "Some of it was in another chat with the same person."
    assert told[-1].evidence == ("$4",), "only messages of this room can be reported from it"


def test_it_weighs_as_if_all_had_been_written_in_one_room(profile: Profile, tmp_path: Path) -> None:
    apart = Talking(profile)
    apart.split()
    with Profile(tmp_path / "one", KEY) as opened:
        once = Talking(opened)
        once.says("!one:x", *(line for lines in SPLIT.values() for line in lines))
        whole = once.weighed("!one:x")
    for room in SPLIT:
        assert apart.weighed(room) == pytest.approx(whole, abs=0.01)


@pytest.mark.parametrize("killed", [False, True])
def test_a_restart_keeps_it(talking: Talking, killed: bool) -> None:
    talking.says("!first:x", *SPLIT["!first:x"])
    talking.restart(killed=killed)
    talking.says("!second:x", *SPLIT["!second:x"])
    talking.restart(killed=killed)
    assert nudged(talking.says("!third:x", *SPLIT["!third:x"]))


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("deleted", ["!first:x", "!second:x"])
def test_deleting_a_room_takes_away_what_it_contributed(talking: Talking, deleted: str, restarted: bool) -> None:
    talking.split()
    assert talking.guard.unanswered("!third:x", LEO) is not None
    if restarted:
        talking.restart()
    talking.guard.forget(deleted)
    for again in range(2):
        advice = talking.guard.advice("!third:x", LEO)
        assert advice is None or advice.level < Level.NUDGE
        assert talking.guard.unanswered("!third:x", LEO) is None
        if not again:
            talking.restart()
    # It begins anew there, too: nothing that was told with it silences what comes.
    assert nudged(talking.says(deleted, *SPLIT[deleted]))


def test_what_is_left_after_deleting_all_rooms_is_nothing(talking: Talking) -> None:
    talking.split()
    for room in SPLIT:
        talking.guard.forget(room)
    talking.guard.close()
    assert talking.profile.names("conversation-with-") == []
    assert talking.says("!new:x", "send me a picture") == Talking(talking.profile).says("!new:x", "nothing at all")


def test_two_persons_do_not_mix(talking: Talking) -> None:
    people = [LEO, SAM, "@nora:example.org"]
    told = [
        a for person, room in zip(people, SPLIT, strict=True) for a in talking.says(room, *SPLIT[room], person=person)
    ]
    assert not nudged(told)
    talking.split()
    assert not nudged(talking.says("!sam:x", "send me a picture", person=SAM))


def test_a_friend_who_was_never_risky_stays_unaffected(talking: Talking) -> None:
    talking.split()
    for room in ("!friend:x", "!club:x", "!holiday:x"):
        for side in (Side.OTHER, Side.OWN) * 10:
            assert talking.says(room, "see you at the match", person=SAM, side=side) == []
    assert talking.guard.advice("!friend:x", SAM) is None


def test_in_groups_each_room_stands_for_itself(talking: Talking) -> None:
    assert not nudged(talking.split(direct=False))
    assert not nudged(talking.says("!direct:x", "send me a picture"))


def test_a_third_account_in_the_room_makes_nobody_unknown(talking: Talking) -> None:
    for room, lines in SPLIT.items():
        talking.says(room, "hello")
        told = talking.says(room, *lines, direct=False)
    assert nudged(told)


def test_what_the_user_has_answered_is_not_told_at_once_in_the_next_room(talking: Talking) -> None:
    talking.split()
    assert nudged(talking.says("!fourth:x", "are you alone")), "where no card was answered, one is shown again"
    talking.guard.answer("!fourth:x", LEO, Level.WARNING)
    assert not nudged(talking.says("!fifth:x", "you are cute"))
    assert nudged(talking.says("!fifth:x", "ill show everyone"))


def test_the_names_in_the_profile_reveal_nothing(talking: Talking, tmp_path: Path) -> None:
    talking.split()
    talking.split(person=SAM)
    talking.guard.close()
    names = talking.profile.names("conversation-with-")
    assert len(names) == 6
    # Nobody can tell which of them belong together, nor find a person in them without the key.
    digests = [name.removeprefix("conversation-with-") for name in names]
    assert all(re.fullmatch("[0-9a-f]{40}", digest) for digest in digests)
    assert len({digest[:8] for digest in digests}) == len({digest[-8:] for digest in digests}) == 6
    person = talking.guard._digest(f"\n{LEO}")
    for path in talking.profile.folder.iterdir():
        assert person not in path.name
        if path.is_file():
            assert person.encode() not in path.read_bytes()
    with Profile(tmp_path / "another", bytes(32)) as other:
        another = Talking(other)
        another.split()
        another.guard.close()
        assert not set(other.names("conversation-with-")) & set(names)


def test_only_the_rooms_that_show_the_most_are_read(talking: Talking) -> None:
    talking.says("!first:x", *SPLIT["!first:x"])
    talking.says("!second:x", *SPLIT["!second:x"])
    for number in range(MOST + 10):
        talking.says(f"!noise-{number}:x", "good morning")
    talking.restart()
    assert nudged(talking.says("!third:x", *SPLIT["!third:x"]))
    found = talking.guard._conversation("!third:x", LEO)
    assert found.elsewhere is not None
    assert found.elsewhere.memory is not None
    assert found.elsewhere.memory.other.messages == 3 + MOST - 2


def test_a_room_hears_what_happens_in_another_meanwhile(talking: Talking) -> None:
    for room in SPLIT:
        talking.says(room, "hello")
    assert nudged(talking.split())


def test_a_damaged_room_is_left_out(talking: Talking) -> None:
    talking.split()
    talking.guard.close()
    for name in talking.profile.names("conversation-with-")[:1]:
        (talking.profile.folder / f"{name}.sealed").write_bytes(b"garbage")
    talking.restart()
    talking.says("!fourth:x", "are you alone")
    assert talking.guard._conversation("!fourth:x", LEO).elsewhere is not None


def test_a_wrong_date_elsewhere_fades_nothing_here() -> None:
    def room(time: int, line: str) -> Memory:
        one = Conversation(READER)
        one.read(Message(f"${time}", Side.OTHER, line, time))
        return one.memory

    here, future = room(10**6, "how old are u"), room(10**15, "are you alone")
    both = together(here, pooled((future, room(10**6, "you are cute")), here.faded)).other.signals
    assert {name: tally.amount for name, tally in both.items()} == {
        "asks-age": 1.0,
        "who-is-home": 1.0,
        "compliments": 1.0,
    }
    past = pooled((room(10**6, "are you alone"),), 10**6 + HALF_TIME)
    for more, left in ((0, 0.5), (1, 0.25)):
        now = room(10**6 + (1 + more) * HALF_TIME, "how old are u")
        assert together(now, past).other.signals["who-is-home"].amount == pytest.approx(left)


def test_what_was_long_ago_elsewhere_weighs_little(talking: Talking) -> None:
    talking.says("!first:x", *SPLIT["!first:x"])
    talking.says("!second:x", *SPLIT["!second:x"])
    later = Message("$later", Side.OTHER, "send me a picture", 8 * HALF_TIME)
    told = talking.guard.received("!third:x", LEO, later, direct=True)
    assert told is None or told.level < Level.NUDGE


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1, max_size=8))
def test_more_in_any_room_never_makes_it_quieter(written: list[tuple[int, int]]) -> None:
    lines = [line for split in SPLIT.values() for line in split] + ["are you alone", "good morning", "kik"]
    rooms = [Conversation(READER) for _ in range(4)]
    before = -math.inf
    for number, (room, line) in enumerate(written):
        rooms[room].take(Message(f"${number}", Side.OTHER, lines[line], 60_000))
        known = pooled((one.memory for one in rooms[1:]), 60_000)
        score = Conversation(READER, together(rooms[0].memory, known)).assess().score
        assert score >= before - 1e-9
        before = score


# The card of an earlier run


def test_a_card_waits_for_its_answer_over_restarts(talking: Talking) -> None:
    told = talking.says("!one:x", *(line for lines in SPLIT.values() for line in lines))
    for killed in (False, True):
        talking.restart(killed=killed)
        assert talking.guard.unanswered("!one:x", LEO) == told[-1]
    talking.guard.answer("!one:x", LEO, told[-1].level)
    assert talking.guard.unanswered("!one:x", LEO) is None
    talking.restart(killed=True)
    assert talking.guard.unanswered("!one:x", LEO) is None
    assert talking.guard.unanswered("!two:x", LEO) is talking.guard.unanswered("!one:x", SAM) is None


def test_a_graver_card_waits_though_a_milder_one_was_answered(talking: Talking) -> None:
    talking.says("!one:x", *(line for lines in SPLIT.values() for line in lines))
    talking.guard.answer("!one:x", LEO, Level.NUDGE)
    (graver,) = talking.says("!one:x", "ill show everyone")
    talking.restart()
    assert talking.guard.unanswered("!one:x", LEO) == graver
    # An answer to the milder card that comes late does not put the graver one away.
    talking.guard.answer("!one:x", LEO, Level.NUDGE)
    assert talking.guard.unanswered("!one:x", LEO) == graver


def test_what_fades_does_not_put_a_card_away(talking: Talking) -> None:
    talking.says("!one:x", *(line for lines in SPLIT.values() for line in lines))
    later = Message("$later", Side.OTHER, "good morning", 6 * HALF_TIME)
    assert talking.guard.received("!one:x", LEO, later, direct=True) is None
    talking.restart()
    assert talking.guard.unanswered("!one:x", LEO) is not None


def test_what_is_not_shown_does_not_wait(talking: Talking) -> None:
    talking.says("!tip:x", *SPLIT["!first:x"], person=SAM)
    assert talking.guard.unanswered("!tip:x", SAM) is None
    talking.split()
    talking.guard.change(Settings(AgeGroup.ADULT, Level.QUIET))
    assert talking.guard.unanswered("!third:x", LEO) is None
    talking.guard.answer("!never:x", LEO, Level.NUDGE)
    assert len(talking.profile.names("conversation-with-")) == 4


def test_what_an_own_message_brings_about_is_told_at_the_next_sign(talking: Talking) -> None:
    """Nothing is shown at an own message, so nothing may count as told at it."""
    told = talking.says("!one:x", "how old are u", "you are cute", "dont tell your mum")
    assert not nudged([*told, *talking.says("!one:x", "im in sixth grade", side=Side.OWN)])
    now = talking.guard.advice("!one:x", LEO)
    assert now is not None
    assert now.level is Level.NUDGE
    assert talking.guard.unanswered("!one:x", LEO) is None
    assert nudged(talking.says("!one:x", "you are sweet"))
    assert talking.guard.unanswered("!one:x", LEO) is not None
