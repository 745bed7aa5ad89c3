"""What a client knows of a room."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.integrations.matrix.rooms import MEGOLM, Room, read_invitation

MIA, LEO = "@mia:example.org", "@leo:example.org"


def state(kind: str, state_key: str = "", **content: Any) -> dict[str, Any]:
    return {"type": kind, "state_key": state_key, "content": content, "sender": LEO}


def member(user_id: str, membership: str) -> dict[str, Any]:
    return state("m.room.member", user_id, membership=membership)


def test_members_come_and_go():
    room = Room("!r")
    for event in (member(MIA, "join"), member(LEO, "invite")):
        room.apply(event)
    assert (room.joined, room.invited, room.readers) == ({MIA}, {LEO}, {MIA, LEO})
    room.apply(member(LEO, "join"))
    assert (room.joined, room.invited) == ({MIA, LEO}, set())
    room.apply(member(LEO, "ban"))
    room.apply(member(MIA, "leave"))
    assert room.readers == set()


def test_the_invited_do_not_read_where_history_is_for_the_joined():
    room = Room("!r", joined={MIA}, invited={LEO})
    room.apply(state("m.room.history_visibility", history_visibility="joined"))
    assert room.readers == {MIA}


def test_nobody_is_accepted_for_being_there_and_who_went_not_any_more():
    room = Room("!r", joined={MIA}, invited={LEO})
    assert room.strangers == {MIA, LEO}
    room.accepted |= {MIA, LEO}
    room.apply(member("@zoe:example.org", "invite"))
    assert room.strangers == {"@zoe:example.org"}
    room.apply(member(LEO, "leave"))
    room.apply(member(LEO, "join"))
    assert room.strangers == {"@zoe:example.org", LEO}


def test_the_past_lets_nobody_in_or_out():
    room = Room("!r", joined={MIA, LEO}, accepted={MIA, LEO})
    for event in (member("@zoe:example.org", "join"), member(MIA, "invite"), member(LEO, "leave"), None, {}):
        room.apply_past(event)
    assert (room.joined, room.strangers) == ({MIA, LEO}, {LEO})


@pytest.mark.parametrize("name", ["", "zoe", "@zoe", "@z\ud800:example.org", "@zoe:\u202eexample.org", "@a\n:b"])
def test_what_cannot_be_a_name_is_no_member(name: str):
    room = Room("!r")
    room.apply(member(name, "join"))
    assert room.readers == set()


def test_encryption_cannot_be_switched_off():
    room = Room("!r")
    room.apply(state("m.room.encryption", algorithm=MEGOLM))
    assert (room.encrypted, room.algorithm) == (True, MEGOLM)
    room.apply(state("m.room.encryption"))
    assert (room.encrypted, room.algorithm) == (True, "")
    room.apply(state("m.room.encryption", algorithm="m.other"))
    assert (room.encrypted, room.algorithm) == (True, "m.other")


@pytest.mark.parametrize("name", ["Family", ""])
def test_a_name(name: str):
    room = Room("!r", name="before")
    room.apply(state("m.room.name", name=name))
    assert room.name == name


def test_an_invitation():
    invited = read_invitation("!r", MIA, [state("m.room.name", name="Family"), member(MIA, "invite"), None, {}])
    assert (invited.inviter, invited.name) == (LEO, "Family")
    assert read_invitation("!r", MIA, []).inviter == ""


anything = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.none(), max_size=1) | st.just({})
kinds = st.sampled_from(["m.room.member", "m.room.encryption", "m.room.name", "m.room.history_visibility"]) | anything


@given(anything | st.fixed_dictionaries({"type": kinds, "state_key": anything, "content": anything}))
def test_malformed_events_let_nobody_in(event: Any):
    room = Room("!r", encrypted=True, joined={MIA})
    room.apply(event)
    read_invitation("!r", MIA, [event])
    assert room.encrypted
    assert room.readers <= {MIA}
