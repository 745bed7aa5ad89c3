"""The tagger on a tiny training set: what it hears, what it cannot be told, and its file."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.conversation.reading import LOUD_TABLE, loud
from tutela.research.tagging import Line, train_tagger
from tutela.signals.conversation.errors import BadModel
from tutela.signals.conversation.spelling import fold, tokens
from tutela.signals.conversation.subwords import BUCKETS, weighted
from tutela.signals.conversation.tagger import SILENCE, WINDOW, Tagger, labels, parse_tagger

SECRET = ("keep this between us", "nobody has to know about us", "this stays our little secret", "tell nobody about us")
ENGLISH = frozenset({"en"})
PLAIN = ("see you at training", "the homework is on page ten", "bring your boots tomorrow", "dinner is at seven")


@lru_cache
def trained() -> Tagger:
    """A tagger that has learned secrecy; the other stages have one odd word each."""
    lines = [Line(text, "en", "secrecy", False, False, 1.0, True) for text in SECRET]
    lines += [Line(text, "en", None, False, True, 1.0, True) for text in PLAIN * 3]
    lines += [Line(f"xx{stage}xx", "en", stage, False, False, 1.0, True) for stage in labels()[:-2]]
    lines += [
        Line("idk maybe", "en", None, True, False, 1.0, True),
        Line("ok coach", "en", None, True, True, 1.0, True),
    ]
    return train_tagger(lines)


def hears(text: str) -> dict[str, float]:
    return dict(trained().read(tokens(fold(text)), ENGLISH).stages)


def test_a_wording_that_nobody_wrote_down_is_heard() -> None:
    assert max(hears("this should stay between us"), key=hears("this should stay between us").__getitem__) == "secrecy"
    assert "secrecy" not in hears("the homework is on page twelve")


def test_a_misspelt_word_is_still_heard() -> None:
    assert hears("keep it secrett between us").get("secrecy", 0) > 0.2


def test_whose_line_it_could_be_is_told() -> None:
    coach, stranger = (trained().read(tokens(text), ENGLISH) for text in ("ok coach", "idk maybe"))
    assert coach.known > stranger.known
    near, far = (trained().read(tokens(text), ENGLISH) for text in ("nobody has to know", "bring your boots"))
    assert near.approach > far.approach


def test_a_long_message_is_as_loud_as_its_loudest_window() -> None:
    bad, padding = tokens("nobody has to know about us"), ["zzz"] * (2 * WINDOW)
    alone = trained().logits(padding[:WINDOW], ENGLISH)
    place = labels().index("secrecy")
    assert trained().logits([*padding, *bad, *padding], ENGLISH)[place] > alone[place] + 0.5


def test_nothing_sounds_like_nothing() -> None:
    assert trained().read([], ENGLISH) == SILENCE
    assert trained().read([], frozenset()).stages == {}


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), min_size=1, max_size=WINDOW))
def test_a_window_is_the_table_times_its_rows(raw: list[str]) -> None:
    table = LOUD_TABLE.astype(np.float64)
    whole = sum((value * table[row] for row, value in weighted(raw, [()] * len(raw)).items()), np.zeros(len(labels())))
    assert np.allclose(loud().logits(raw, frozenset()), whole * 0.005 - 1, atol=1e-3)


def test_the_file_is_read_back_as_it_was_written() -> None:
    again = parse_tagger(trained().encode())
    raw = tokens("nobody has to know")
    assert np.array_equal(again.logits(raw, frozenset()), trained().logits(raw, frozenset()))


def saved(**arrays: object) -> bytes:
    data = io.BytesIO()
    np.savez(data, **arrays)  # type: ignore[arg-type]
    return data.getvalue()


WIDTH = len(labels())
GOOD = {
    "table": np.zeros((BUCKETS, WIDTH), np.int8),
    "scale": np.ones(WIDTH, np.float32),
    "bias": np.zeros(WIDTH, np.float32),
}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 and nothing",
        saved(table=np.zeros(3)),
        saved(**{**GOOD, "table": np.zeros((8, WIDTH), np.int8)}),
        saved(**{**GOOD, "table": GOOD["table"].astype(np.int16)}),
        saved(**{**GOOD, "scale": np.ones(3, np.float32), "bias": np.zeros(3, np.float32)}),
        saved(**{**GOOD, "scale": np.ones(3, np.float32)}),
        saved(**{**GOOD, "bias": np.full(WIDTH, np.nan, np.float32)}),
        saved(**{**GOOD, "bias": np.array([object()] * WIDTH)}),
        saved(**GOOD)[:-200],
    ],
    ids=["empty", "torn", "no scale", "few rows", "wide", "narrow", "one narrow", "not a number", "objects", "cut"],
)
def test_a_file_that_is_no_tagger_is_refused(data: bytes) -> None:
    with pytest.raises(BadModel):
        parse_tagger(data)
