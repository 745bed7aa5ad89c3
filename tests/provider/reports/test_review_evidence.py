"""What a stranger wrote is text, bounded, and cannot hide or pretend."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reports import message
from tutela.provider.review.evidence import SHOWN, Piece, Said, SaidKind, pieces, said
from tutela.wire.report import MessageEvidence


def read(content: object, type_: str = "m.room.message") -> Said:
    made = message(1, content=content if isinstance(content, dict) else {})
    text = content if isinstance(content, str) else made.content
    return said(
        MessageEvidence(**{f: getattr(made, f) for f in made.__struct_fields__} | {"content": text, "type": type_})
    )


def test_plain_text() -> None:
    assert read({"msgtype": "m.text", "body": "hello"}) == Said(SaidKind.TEXT, "hello")


def test_what_is_shown_is_bounded() -> None:
    said_ = read({"msgtype": "m.text", "body": "x" * (SHOWN + 1)})

    assert (len(said_.text), said_.shortened) == (SHOWN, True)
    assert not read({"msgtype": "m.text", "body": "x" * SHOWN}).shortened


def test_a_name_of_4000_characters_is_bounded() -> None:
    picture = read({"msgtype": "m.image", "body": "n" * 4000, "info": {"mimetype": "i" * 4000}})

    assert (len(picture.filename), len(picture.media_type)) == (255, 255)


def test_a_caption_is_not_taken_for_a_name() -> None:
    picture = read(
        {"msgtype": "m.image", "body": "send me more", "filename": "a.jpg", "info": {"mimetype": "image/jpeg"}}
    )

    assert picture == Said(SaidKind.PICTURE, "send me more", filename="a.jpg", media_type="image/jpeg")
    assert read({"msgtype": "m.image", "body": "a.jpg"}) == Said(SaidKind.PICTURE, "", filename="a.jpg")


def test_words_that_only_formatted_text_holds_are_seen() -> None:
    """Clients show `formatted_body`: an innocent `body` must not hide it from a reviewer."""
    html = "<p>meet me<br>at <a href='https://evil.example/x'>school</a> &lt;3</p><script>alert(1)</script>"

    found = read({"msgtype": "m.text", "body": "hi", "format": "org.matrix.custom.html", "formatted_body": html})

    assert found.text == "hi"
    for part in ("meet me", "https://evil.example/x", "school", "<3", "alert(1)"):
        assert part in found.formatted
    same = {"msgtype": "m.text", "body": "meet  me", "formatted_body": "<b>meet</b> me"}
    assert read(same).formatted == ""


def test_words_that_only_an_edit_holds_are_seen() -> None:
    """Clients show `m.new_content`: an innocent `body` must not hide it from a reviewer."""
    new = {"msgtype": "m.text", "body": "send me more", "formatted_body": "<b>or else</b>"}
    edit = {"msgtype": "m.text", "body": "hi", "m.new_content": new, "m.relates_to": {"rel_type": "m.replace"}}

    found = read(edit)

    assert (found.text, found.formatted) == ("hi", "send me more\nor else")
    picture = read(edit | {"msgtype": "m.image"})
    assert (picture.filename, picture.formatted) == ("hi", "send me more\nor else")
    assert read(edit | {"m.new_content": {"msgtype": "m.image", "body": "a.jpg"}}).kind is SaidKind.OTHER


def test_what_is_no_message_is_not_read_as_one() -> None:
    """A reaction is shown by its key, a sticker as a picture, whatever else they hold."""
    content = {"msgtype": "m.text", "body": "hi", "m.relates_to": {"key": "send me more"}}

    reaction = read(content, "m.reaction")

    assert reaction.kind is SaidKind.OTHER
    assert "send me more" in reaction.text
    assert read(content, "m.sticker").kind is SaidKind.PICTURE


def test_a_place_says_where_it_is() -> None:
    assert read({"msgtype": "m.location", "body": "school", "geo_uri": "geo:50.8,4.3"}) == Said(
        SaidKind.PLACE, "school\ngeo:50.8,4.3"
    )


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[" * 60_000,
        '{"body": "\\ud800", "msgtype": "m.text"}',
        '{"body": 1, "msgtype": "m.text"}',
        '{"body": "x", "msgtype": ["m.text"]}',
        "[1]",
        "{}",
    ],
    ids=["no JSON", "deep", "lone surrogate", "body is a number", "type is a list", "a list", "empty"],
)
def test_what_is_no_message_is_shown_as_it_is(content: str) -> None:
    assert read(content, "m.room.member") == Said(SaidKind.OTHER, content[:SHOWN], shortened=len(content) > SHOWN)


@pytest.mark.parametrize(
    "html", ["<" * 65_000, "<a " * 21_000, "<!--" * 16_000, "&#" * 32_000, "<a " + "href = " * 9_000 + ">"]
)
def test_hostile_markup_is_read_in_one_pass(html: str) -> None:
    """Quadratic reading of any of these would run into the test's time limit many times over."""
    for _ in range(20):
        assert read({"msgtype": "m.text", "body": "x", "formatted_body": html}).kind is SaidKind.TEXT


def test_characters_that_deceive_are_named() -> None:
    assert pieces("a\u202egpj.exe") == (Piece("a"), Piece("U+202E", hidden=True), Piece("gpj.exe"))
    assert pieces("\x00\x1b[31m\u200b\ufeff\U000e0041") == (
        Piece("U+0000", hidden=True),
        Piece("U+001B", hidden=True),
        Piece("[31m"),
        Piece("U+200B", hidden=True),
        Piece("U+FEFF", hidden=True),
        Piece("U+E0041", hidden=True),
    )


def test_other_scripts_and_emoji_stay() -> None:
    for text in ("שלום", "مرحبا", "हिन्दी", "👨‍👩‍👧", "line\nline\ttab", "é", "e\u0301"):
        assert pieces(text) == (Piece(text),)


def test_towers_of_marks_are_cut() -> None:
    (piece,) = pieces("a" + "\u0301" * 1000 + "b")

    assert piece.text == "a" + "\u0301" * 4 + "b"


@given(st.text())
def test_nothing_that_is_seen_is_lost(text: str) -> None:
    shown = pieces(text)

    assert all(piece.text for piece in shown)
    assert not any(
        ch in piece.text for piece in shown for ch in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\x00"
    )
    if text.isascii() and text.isprintable():
        assert "".join(piece.text for piece in shown) == text


@given(
    st.dictionaries(
        st.sampled_from(["msgtype", "body", "formatted_body", "filename", "info"]),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_any_content_can_be_read(content: dict[str, object]) -> None:
    found = read(json.dumps(content))

    assert len(found.text) <= SHOWN
