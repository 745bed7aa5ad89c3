"""How often something may be tried; and what stands for a form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.console import limits
from tutela.console.forms import ASSERTION, TOKEN, Form
from tutela.console.limits import Limit
from tutela.provider.errors import PasskeyRefused


def test_so_often_and_then_not_until_the_window_is_over():
    now = [0]
    limit = Limit(lambda: now[0], most=2, window=10_000)
    limit.count("a")
    now[0] = 4_000
    limit.count("a")
    with pytest.raises(PasskeyRefused) as refused:
        limit.count("a")
    assert refused.value.retry_after == 6
    limit.count("b")  # each key for itself
    now[0] = 9_999
    with pytest.raises(PasskeyRefused) as refused:
        limit.count("a")
    assert refused.value.retry_after == 1
    now[0] = 10_000
    limit.count("a")


def test_it_remembers_no_more_than_it_has_room_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "_KEYS", 3)
    limit = Limit(lambda: 0, most=1, window=1000)
    for key in "abcd":
        limit.count(key)
    limit.count("a")  # forgotten
    with pytest.raises(PasskeyRefused):
        limit.count("d")
    assert len(limit._counted) == 3


FIELDS = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=4).map(tuple)


@given(FIELDS, FIELDS, st.sampled_from(["/a", "/b"]), st.sampled_from(["/a", "/b"]))
def test_a_digest_stands_for_one_form_to_one_path(first: tuple, second: tuple, one: str, other: str):
    told = [tuple(f for f in fields if f[0] not in (ASSERTION, TOKEN)) for fields in (first, second)]
    same = (one, told[0]) == (other, told[1])
    assert (Form(first).digest(one) == Form(second).digest(other)) == same


def test_the_answer_and_the_token_are_no_part_of_what_is_confirmed():
    bare = Form((("name", "Leo"),))
    assert Form((*bare.fields, (ASSERTION, "x"), (TOKEN, "y"))).digest("/") == bare.digest("/")
