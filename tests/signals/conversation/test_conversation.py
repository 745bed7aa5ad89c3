"""The core of the guard: what a conversation's messages make of it."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.conversation.reading import Talk, loud, model, reader
from tutela.signals.conversation.conversation import Conversation, Reader
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.errors import BadModel, BadState
from tutela.signals.conversation.features import features, names
from tutela.signals.conversation.message import Message, Side
from tutela.signals.conversation.model import encode_model, parse_model

READER = reader()
LOUD = reader(tagger=loud())
LINES = (
    "how old are u",
    "dont tell your mum",
    "are you alone",
    "add me on snapchat",
    "send me a picture",
    "ill show everyone",
    "you are cute",
    "nice weather",
    "im 34",
    "ok mum",
    "leave me alone",
    "",
)


def test_behaviour_adds_up_until_the_user_is_told_once() -> None:
    talk = Talk(READER)
    levels = [talk.other(line).level for line in LINES[:5]]
    assert levels == sorted(levels)
    assert levels[0] is Level.QUIET
    assert levels[-1] >= Level.NUDGE
    again = talk.other("nice weather")
    assert again.level >= Level.NUDGE
    assert not again.speaks


def test_one_word_is_not_behaviour() -> None:
    talk = Talk(READER)
    for _ in range(50):
        assert talk.other("how old are u").level is Level.QUIET


def test_reasons_carry_the_messages_that_show_them() -> None:
    talk = Talk(READER)
    talk.other("hello", id="$a")
    talk.other("dont tell your mum", id="$b")
    talk.other("are you alone", id="$c")
    assessment = talk.conversation.assess()
    assert {reason.stage.id: reason.evidence for reason in assessment.reasons} == {"secrecy": ("$b",), "risk": ("$c",)}


def test_what_is_taken_back_in_the_same_message_does_not_count() -> None:
    talk = Talk(READER)
    assert talk.other("dont tell your mum, it is a surprise").new == ()
    assert talk.other("if someone asks: dont tell your mum is a bad sign").new == ()


def test_a_phrase_in_two_messages_is_seen() -> None:
    talk = Talk(READER)
    talk.other("dont tell")
    assert talk.other("your mum").new == ("hide-from-parents",)


def test_the_same_message_again_changes_nothing() -> None:
    talk = Talk(READER)
    first = talk.other("dont tell your mum", id="$x")
    before = talk.conversation.encode()
    again = talk.other("dont tell your mum", id="$x")
    assert again.score == first.score
    assert talk.conversation.encode() == before


def test_an_edit_counts_for_what_it_newly_shows() -> None:
    talk = Talk(READER)
    talk.other("hello", id="$x")
    assert talk.other("hello, are you alone", id="$x").new == ("who-is-home",)
    assert talk.other("hello, are you alone?", id="$x").new == ()
    assert talk.conversation.memory.other.messages == 1


def test_a_phrase_that_grows_over_the_next_message_counts_once() -> None:
    talk = Talk(reader('[signals.mature]\nphrases = ["so mature [for your age]"]\n'))
    assert talk.other("you are so mature").new == ("mature",)
    assert talk.other("for your age").new == ()
    assert talk.other("honestly so mature").new == ("mature",)


def test_messages_out_of_order_are_read() -> None:
    talk = Talk(READER)
    talk.other("dont tell your mum", time=10_000_000)
    talk.other("are you alone", time=5)
    assert {reason.stage.id for reason in talk.conversation.assess().reasons} == {"secrecy", "risk"}


def test_the_own_users_words_for_family_make_the_guard_quieter_and_the_others_do_not() -> None:
    mine, theirs = Talk(READER), Talk(READER)
    for talk in (mine, theirs):
        talk.other("are you alone")
    mine.own("ok mum")
    theirs.other("ok mum")
    assert mine.conversation.assess().score < theirs.conversation.assess().score
    plain = Talk(READER)
    plain.other("are you alone")
    assert theirs.conversation.assess().score >= plain.conversation.assess().score - 1e-3  # a minute has passed


@given(st.lists(st.tuples(st.sampled_from(list(Side)), st.sampled_from(LINES)), max_size=25), st.sampled_from(LINES))
@settings(max_examples=60)
@pytest.mark.parametrize("using", [READER, LOUD], ids=["phrases", "tagger"])
def test_nothing_that_the_other_person_writes_lowers_the_risk(
    using: Reader, before: list[tuple[Side, str]], line: str
) -> None:
    talk = Talk(using)
    for side, text in before:
        talk.says(side, text)
    score = using.model.score(features(talk.conversation.memory))  # an assessment does not follow what fades meanwhile
    assert talk.other(line, time=talk.number * 60_000).score >= score - 1e-9


@given(st.lists(st.tuples(st.sampled_from(list(Side)), st.text(max_size=60)), max_size=20))
def test_a_saved_state_goes_on_as_if_it_had_never_been_saved(said: list[tuple[Side, str]]) -> None:
    whole, parts = Talk(READER), Talk(READER)
    for side, text in said:
        whole.says(side, text)
        parts.says(side, text)
        parts.conversation = Conversation.decode(READER, parts.conversation.encode())
    assert parts.conversation.encode() == whole.conversation.encode()


@pytest.mark.parametrize("data", [b"", b"x", b"\x92\xc4\x01x\x92\x00\xcb", b"\xff" * 100])
def test_a_damaged_state_is_told(data: bytes) -> None:
    with pytest.raises(BadState):
        Conversation.decode(READER, data)


def test_a_flood_takes_no_more_memory_and_the_state_stays_small() -> None:
    conversation = Conversation(READER)

    def flood(start: int, number: int) -> None:
        for i in range(start, start + number):
            text = LINES[i % len(LINES)] + " " + str(i)
            conversation.read(Message(f"${i}", Side.OTHER if i % 3 else Side.OWN, text, i * 1000))

    flood(0, 1000)
    size = len(conversation.encode())
    tracemalloc.start()
    flood(1000, 1000)
    low = tracemalloc.get_traced_memory()[0]
    flood(2000, 4000)
    high = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(conversation.encode()) < size * 1.2
    assert len(conversation.encode()) < 20_000
    assert high - low < 2_000_000  # the vocabulary remembers words, up to a bound


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "how old are you " * 60_000,
        "\ud800\udfff" * 10_000,
        "\0" * 1000,
        "👩‍👩‍👧" * 5000,
        "a\u0301" * 100_000,
        "1" * 100_000,
    ],
)
def test_monstrous_messages_are_read(text: str) -> None:
    talk = Talk(READER)
    assert talk.other(text).level is Level.QUIET


def test_ids_of_any_length_are_kept_short() -> None:
    talk = Talk(READER)
    talk.other("are you alone", id="$" + "x" * 1_000_000)
    assert len(talk.conversation.encode()) < 5_000


def test_the_model_file_is_read_back_as_it_was_written() -> None:
    assert parse_model(encode_model(model())) == model()


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("tutela conversation model v1", "v0"),
        ('"signal:asks-age"', '"signal:unheard-of"'),
        ('"signal:calls-family": -3.0', '"signal:calls-family": 3.0'),
        ('"signal:share-threat": 2.0', '"signal:share-threat": -2.0'),
        ('"slope": 1.0', '"slope": -1.0'),
        ('"tip": -4.0', '"tip": 4.0'),
        ('"bias": -6.5', '"bias": null'),
    ],
)
def test_a_model_that_cannot_be_meant_is_refused(find: str, put: str) -> None:
    data = encode_model(model()).decode()
    assert find in data
    with pytest.raises(BadModel):
        parse_model(data.replace(find, put).encode())


def test_all_features_have_names() -> None:
    talk = Talk(READER)
    for line in LINES:
        talk.other(line, hour=23)
        talk.own("im 13" if line else "how are you", hour=12)
    assert set(features(talk.conversation.memory)) <= set(names())
