"""Readers of research formats, on small files written for the purpose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.research.chats import Chat, Turn
from tutela.research.corpora import encode_line, read_corpus
from tutela.research.errors import BadCorpus, BadScript
from tutela.research.pan12 import unescaped
from tutela.research.segments import PIECE, pieces

PAN = """<?xml version="1.0" encoding="UTF-8"?>
<conversations>
  <conversation id="c1">
    <message line="1"><author> aa </author><time>23:50</time><text>do you play chess?</text></message>
    <message line="2"><author>bb</author><time>00:10</time><text>yes &amp;amp;#8212; at <email/> or so</text></message>
    <message line="3"><author>aa</author><time>00:11</time><text/></message>
  </conversation>
  <conversation id="c2">
    <message line="1"><author>cc</author><time></time><text>hello</text></message>
  </conversation>
</conversations>"""


def pan(folder: Path, text: str = PAN, predators: str = "aa\n") -> Path:
    (folder / "pan.xml").write_text(text, encoding="utf-8")
    (folder / "pan-predators.txt").write_text(predators, encoding="utf-8")
    return folder / "pan.xml"


def test_pan_2012(tmp_path: Path) -> None:
    first, second = read_corpus(pan(tmp_path))
    assert (first.id, first.approach, first.suspects) == ("c1", True, frozenset({"aa"}))
    assert [turn.text for turn in first.turns] == ["do you play chess?", "yes — at  or so", ""]
    times = [turn.time for turn in first.turns]
    assert times == sorted(times)  # it runs over midnight
    assert (second.approach, second.turns[0].time) == (False, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<conversations><conversation id='1'><message>", "not well-formed"),
        ("<other/>", "no <conversation>"),
        (
            "<conversations><conversation id='1'><message><text>x</text></message></conversation></conversations>",
            "no author",
        ),
        ('<!DOCTYPE a [<!ENTITY b "c">]><conversations>&b;</conversations>', "document type"),
        ("", "not well-formed"),
    ],
)
def test_what_is_not_pan_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadCorpus, match=told):
        list(read_corpus(pan(tmp_path, text)))


def test_pan_needs_its_predators(tmp_path: Path) -> None:
    path = pan(tmp_path)
    (tmp_path / "pan-predators.txt").unlink()
    with pytest.raises(BadCorpus, match="needs its file") as error:
        list(read_corpus(path))
    assert "--predators" in (error.value.hint or "")
    (tmp_path / "pan-predators.txt").write_text("two words\n")
    with pytest.raises(BadCorpus, match="one a line"):
        list(read_corpus(path))


@pytest.mark.parametrize(
    ("text", "plain"), [("&amp;amp;lt;3", "<3"), ("a & b", "a & b"), ("&amp;amp;amp;amp;", "&amp;")]
)
def test_entities_are_undone_three_times(text: str, plain: str) -> None:
    assert unescaped(text) == plain


def datapack(folder: Path, pack: object) -> Path:
    (folder / "pack.json").write_text(json.dumps(pack))
    return folder / "pack.json"


def message(body: str, **more: object) -> dict[str, object]:
    return {
        "type": "message",
        "author": "a",
        "body": body,
        "time": 1.5e12,
        "isFromPredator": False,
        "labels": [],
        **more,
    }


def test_a_datapack_is_cut_at_its_separators(tmp_path: Path) -> None:
    content = [
        message("hi", author="b", isFromPredator=True),
        None,
        {"type": "separator"},
        {"type": "separator"},
        message(""),
        message("bye", time=None, prediction=0.4),
    ]
    chats = {
        "x": {"className": "predator", "content": content, "hasErrors": False},
        "y": {"className": "non-predator", "content": [message("ok")]},
    }
    one, two, three = read_corpus(datapack(tmp_path, {"datapackID": "T", "chats": chats}))
    assert (one.id, one.group, one.suspects) == ("x-0", "x", frozenset({"b"}))
    assert (two.id, two.suspects, two.turns[0].time) == ("x-1", frozenset({"a"}), None)
    assert (three.id, three.approach) == ("y", False)


@pytest.mark.parametrize(
    "pack", [[], {"chats": {"x": {"className": "other", "content": []}}}, {"chats": {"x": {}}}, {}]
)
def test_what_is_no_datapack_is_told(tmp_path: Path, pack: object) -> None:
    with pytest.raises(BadCorpus):
        list(read_corpus(datapack(tmp_path, pack)))


@pytest.mark.parametrize(
    ("header", "rows", "labels"),
    [
        ("segment,label", ['"hello, you",1', "bye,0"], [True, False]),
        ('"label","chatName","segment"', ['"predator","a-1","hello"', '"non-predator","b","bye"'], [True, False]),
        ("Label,Segment", ["TRUE,x", "False,y"], [True, False]),
    ],
)
def test_segments(tmp_path: Path, header: str, rows: list[str], labels: list[bool]) -> None:
    path = tmp_path / "segments.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    chats = list(read_corpus(path, language="en"))
    assert [chat.approach for chat in chats] == labels
    assert all(not chat.authors_known and chat.language == "en" for chat in chats)


def test_segments_in_latin_1_with_zero_bytes(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes("segment,label\ncafé\0 au lait,0\n".encode("latin-1"))
    assert next(iter(read_corpus(path))).turns[0].text == "café au lait"


@pytest.mark.parametrize("text", ["", "text,class\na,1\n", "segment,label\na,perhaps\n"])
def test_what_is_no_file_of_segments_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(BadCorpus):
        list(read_corpus(tmp_path / "s.csv"))


@given(st.text(max_size=300))
def test_pieces_hold_all_words(text: str) -> None:
    cut = pieces(text)
    assert " ".join(turn.text for turn in cut).split() == text.split()
    assert all(len(turn.text.split()) <= PIECE for turn in cut)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TURNS = st.lists(st.builds(Turn, author=TEXT, text=TEXT, time=st.none() | st.integers(0, 2**50)), max_size=5)


@given(st.builds(Chat, id=TEXT, turns=TURNS.map(tuple), approach=st.booleans(), language=TEXT, kind=TEXT, group=TEXT))
def test_a_line_is_read_back(tmp_path_factory: pytest.TempPathFactory, chat: Chat) -> None:
    path = tmp_path_factory.mktemp("lines") / "chats.jsonl"
    path.write_bytes(encode_line(chat))
    assert list(read_corpus(path)) == [chat]


SCRIPT = """# about nothing
slot game = Chess|Go
== en approach a1 about-a-game
+0m other: {hi|hello} do you play {:game}
+2h other age: how old are you{| btw}
+1d user: twelve
"""


def test_a_script_stands_for_many_chats(tmp_path: Path) -> None:
    (tmp_path / "a.dialogues").write_text(SCRIPT)
    chats = list(read_corpus(tmp_path / "a.dialogues", variants=20))
    assert len({chat.turns[0].text for chat in chats}) == 4
    assert all([turn.stage for turn in chat.turns] == [None, "age", None] for chat in chats)
    assert all(chat.suspects == {"other"} and chat.group == "a1" for chat in chats)
    assert list(read_corpus(tmp_path / "a.dialogues", variants=20)) == chats


@pytest.mark.parametrize(
    "text",
    [
        "+0m other: hi",
        "== en approach a1",
        "== en approach a1 x\nother: hi",
        "== en approach a1 x\n+0m other love: hi",
        "== en friends a x\n+0m user: {:unknown}",
    ],
)
def test_what_is_no_script_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.dialogues").write_text(text)
    with pytest.raises(BadScript):
        list(read_corpus(tmp_path / "a.dialogues"))


def test_an_unknown_or_missing_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.doc").write_text("x")
    for name in ("a.doc", "b.csv"):
        with pytest.raises(BadCorpus):
            list(read_corpus(tmp_path / name))
